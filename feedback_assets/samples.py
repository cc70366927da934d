"""Samples of what versions were trained on, for the graph: read from the log, as the stream reads them."""

from typing import TYPE_CHECKING

from sqlmodel import Session

from feedback_assets import facts
from feedback_loop.learning.familiarity import Sample
from feedback_loop.learning.increments import rooted
from feedback_loop.stream.samples.keeping import read

if TYPE_CHECKING:
    import ibis


def samples_upto(session: Session, inferences: "ibis.Table", upto_offset: int) -> list[Sample]:
    """Those of the versions that gave any of the answers, as far as the log told at an offset."""
    compiled = [fact for fact in facts.read(session, (facts.DATASET_COMPILED,), upto_offset) if fact.body.get("sample")]
    if not compiled:
        return []
    served = set(rooted(inferences).select("model_version").distinct().to_pyarrow()["model_version"].to_pylist())
    found = [read(session, fact) for fact in compiled if fact.body["dataset_version"] in served]
    return [sample for sample in found if sample is not None]
