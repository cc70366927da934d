"""How unlike what was asked is to what the model was trained on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.enrichers._base import SampleEnricher
from feedback_loop.learning.familiarity import Sample, novelty, version_of
from feedback_loop.learning.increments import roots

if TYPE_CHECKING:
    import ibis

READ = ("log_offset", "project_id", "model_name", "model_version", "embedding", "inputs", "answer_text")


class Novelty(SampleEnricher):
    """novelty, 0 to 1 (6 places): the mean cosine distance to the nearest five of a sample of what the version that
    answered was trained on.

    By the logged embedding, else by hashed inputs, else by the text of the answer. Null where the version was trained
    on no dataset of ours, or neither is known.
    """

    name: ClassVar[str] = "novelty"
    columns: ClassVar[tuple[str, ...]] = ("novelty",)

    def enrich(self, inference: Mapping[str, Any], sample: Sample | None) -> dict[str, Any]:
        """novelty of one inference row."""
        return {"novelty": novelty(inference, sample)}

    def expression(self, table: "ibis.Table", samples: Sequence[Sample]) -> "ibis.Table":
        """The same of every row: the function itself, asked only where there is a sample."""
        import ibis

        unknown = ibis.null("float64")
        if not samples:
            return table.mutate(novelty=unknown)
        versions = [sample.version[2] for sample in samples]
        is_sampled = roots(table.model_version).isin(versions)
        asked = _asked(samples)(*(table[name] for name in READ))
        return table.mutate(novelty=ibis.ifelse(is_sampled, asked, unknown))


def _asked(samples: Sequence[Sample]) -> Any:
    """`novelty` of the columns READ as a function of DuckDB's, which calls it on many rows at once."""
    import ibis
    import pyarrow as pa

    known = {sample.version: sample for sample in samples}

    def novelties(at: Any, project: Any, model: Any, version: Any, embedding: Any, inputs: Any, text: Any) -> Any:
        columns = (each.to_pylist() for each in (at, project, model, version, embedding, inputs, text))
        rows = (dict(zip(READ, row, strict=True)) for row in zip(*columns, strict=True))
        return pa.array([novelty(row, known.get(version_of(row))) for row in rows], pa.float64())

    kinds = ("int64", "int32", "string", "string", "array<float64>", "string", "string")
    return ibis.udf.scalar.pyarrow(novelties, name="novelty_of", signature=(kinds, "float64"), null_handling="special")
