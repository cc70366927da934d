"""What a dataset format is: which feedback it reads, what one example rests on, and its columns as an expression."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from feedback_loop.learning.collecting import collect_classes

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue, StringValue

Unit = Literal["feedback", "label", "inference"]
"""What becomes an example: each feedback; the most trusted one of an inference; all feedback of an inference."""

PROMPTS = ("/prompt", "/text", "/question", "/source", "/input")
"""Where a prompt is looked for in inputs that are no text themselves and no recipe says more."""

KEYS = ("example", "last_offset", "feedback_offset", "inference_offset", "inputs_sha256", "weight", "split")
"""Columns of `chosen` that pass through a format unchanged."""


class Material(NamedTuple):
    """What examples are made of.

    `chosen` has one row an example: KEYS, the columns of FEEDBACK_SCHEMA of the newest feedback it rests on (null where
    nobody spoke), and of its inference the columns of INFERENCE_SCHEMA. `said` is all feedback that counts,
    one row each, whichever example it belongs to; `asked` all inferences of the model.
    """

    chosen: "ibis.Table"
    said: "ibis.Table"
    asked: "ibis.Table"
    prompt: str | None


class DatasetFormat(ABC):
    """Examples as rows; `schema` are the columns of the file, to which `weight` is added."""

    name: ClassVar[str]
    unit: ClassVar[Unit]
    reads: ClassVar[tuple[str, ...]]
    trust: ClassVar[tuple[str, ...]] = ()
    """Types whose word counts, the most trusted first; only where the unit is `label`."""
    order: ClassVar[tuple[str, ...]] = ()
    """The order of an example's rows, where it has several."""

    @abstractmethod
    def schema(self) -> "pa.Schema":
        """The columns of an example."""

    @abstractmethod
    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """Whether a feedback, beside its inference, says what an example needs; never null.

        `told` has the columns of FEEDBACK_SCHEMA and, of the inference, those of INFERENCE_SCHEMA.
        """

    @abstractmethod
    def examples(self, material: Material) -> "ibis.Table":
        """KEYS and the columns of `schema`; one row for each of `chosen`, or several with the same `example`."""


@cache
def collect() -> Mapping[str, type[DatasetFormat]]:
    """Every format by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.dataset_formats", DatasetFormat)  # type: ignore[type-abstract]


def prompt_of(table: "ibis.Table", pointer: str | None) -> "StringValue":
    """What the model was asked, as text: the inputs at `pointer`; else the inputs where they are a text, else the first
    of PROMPTS they have, else all of them as JSON.
    """
    import ibis

    from feedback_loop.learning.sql_functions import json_type, member

    if pointer is not None:
        return member(table.inputs, pointer)
    named = [member(table.inputs, place) for place in PROMPTS]
    plain = member(table.inputs, "$")
    return ibis.ifelse(json_type(table.inputs) == "VARCHAR", plain, ibis.coalesce(*named, table.inputs))


def output_text(table: "ibis.Table", output_id: "StringValue") -> "StringValue":
    """The text of the output of that name; null where there is none, or no text in it."""
    from feedback_loop.learning.sql_functions import outputs_of, said_in

    found = outputs_of(table.outputs).filter(lambda output: output.output_id == output_id)
    return said_in(found[0].content)


def has(value: Any) -> "BooleanValue":
    """Whether a text is there and not blank."""
    return (value.strip().length() > 0).fill_null(False)
