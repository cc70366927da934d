"""How long a text is, and its language."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import orjson

from feedback_loop.learning.enrichers._base import Enricher
from feedback_loop.learning.texts import language_of

if TYPE_CHECKING:
    import ibis

STRUCT = "struct<text_characters: int64, text_words: int64, text_language: string>"
MEMBER = '"text":'


class Told(NamedTuple):
    """The columns of one row; they stand in STRUCT too."""

    text_characters: int | None
    text_words: int | None
    text_language: str | None


NOTHING = Told(None, None, None)


class Text(Enricher):
    """text_characters, text_words (what blanks part) and text_language (ISO 639-1, by the first 128 characters) of what
    was answered, where that is a text, else of what was asked: `inputs`, or their `text`.

    The language is null where there are less than 20 characters, or it is not sure.
    """

    name: ClassVar[str] = "text"
    columns: ClassVar[tuple[str, ...]] = Told._fields
    is_due: ClassVar[bool] = False

    def enrich(self, inference: Mapping[str, Any]) -> dict[str, Any]:
        """What is told of the text of one inference row."""
        return _told(inference["answer_text"], inference["inputs"])._asdict()

    def expression(self, table: "ibis.Table") -> "ibis.Table":
        """The same of every row: the function itself, asked with inputs only where it looks at them."""
        import ibis

        says_text = table.inputs.startswith('"') | table.inputs.contains(MEMBER)
        asked = ibis.ifelse(table.answer_text.isnull() & says_text, table.inputs, ibis.null("string"))
        told = _asked()(table.answer_text, asked)
        return table.mutate(**{name: told[name] for name in self.columns})


def _told(answer_text: str | None, inputs: str | None) -> Told:
    text = answer_text if answer_text is not None else _text_in(inputs)
    return Told(len(text), len(text.split()), language_of(text)) if text else NOTHING


def _text_in(inputs: str | None) -> str | None:
    """The text that inputs (compact JSON) are, or that stands in them under `text`."""
    if inputs is None or not (inputs.startswith('"') or MEMBER in inputs):
        return None
    value = orjson.loads(inputs)
    value = value.get("text") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None


def _asked() -> Any:
    """`_told` as a function of DuckDB's, which calls it on many rows at once."""
    import ibis
    import pyarrow as pa

    types = pa.int64(), pa.int64(), pa.string()

    def texts(answers: Any, inputs: Any) -> Any:
        told = map(_told, answers.to_pylist(), inputs.to_pylist())
        columns = [pa.array(column, kind) for column, kind in zip(zip(*told, strict=True), types, strict=True)]
        return pa.StructArray.from_arrays(columns, Told._fields)

    kinds = ("string", "string")
    return ibis.udf.scalar.pyarrow(texts, name="text_of", signature=(kinds, STRUCT), null_handling="special")
