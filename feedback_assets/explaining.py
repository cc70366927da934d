"""Which answers are explained, and what is known of those that were judged, as rows for their assets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from feedback_assets.own_training import is_own
from feedback_assets.resources import LogResource
from feedback_loop.learning.errors import ArtifactMismatch
from feedback_loop.learning.explaining import classifier_of, explain
from feedback_loop.learning.slices import failure_slices
from feedback_loop.registry.champions import champion, load_artifact

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

EXPLAINED = 20
"""So many of the newest wrong answers of each champion are explained."""

USUAL = 10
"""So many of the newest inputs stand for what a champion usually sees."""
NEWEST = 20_000
"""So many of the newest judged answers of each model are looked at for slices."""


def attributions(log: LogResource, labeled: "ibis.Table") -> "pa.Table":
    """For each champion, what weighed most in its newest wrong answers: one row a feature."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for project_id, name in _models(labeled):
        version, model = _served(log, project_id, name)
        if model is not None:
            mine = labeled.filter(labeled.project_id == project_id, labeled.model_name == name)
            rows += _explained(model, mine, version)
    schema = pa.schema(
        [
            pa.field("project_id", pa.int32()),
            pa.field("inference_request_id", pa.string()),
            pa.field("model_name", pa.string()),
            pa.field("model_version", pa.string()),  # that was explained
            pa.field("rank", pa.int64()),
            pa.field("feature", pa.string()),
            pa.field("value", pa.float64()),  # what it moved the likelihood of the answer by
            pa.field("start", pa.int64()),  # its place, in a text
            pa.field("end", pa.int64()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _served(log: LogResource, project_id: int, name: str) -> tuple[str, Any]:
    """The version that serves and its model; None where none does, or it has no artifact that can be read."""
    with log.session() as session:
        serving = champion(session, project_id, name)
        if serving is None or serving.artifact_uri is None:
            return "", None
        if is_own(session, project_id, name, serving.model_version):
            return "", None
        try:
            return serving.model_version, classifier_of(load_artifact(serving))
        except ArtifactMismatch:
            return serving.model_version, None


def _explained(model: Any, labeled: "ibis.Table", version: str) -> list[dict[str, Any]]:
    known = labeled.filter(labeled.inputs.notnull()).order_by(labeled.feedback_offset.desc())
    usual = [orjson.loads(row["inputs"]) for row in known.select("inputs").limit(USUAL).to_pyarrow().to_pylist()]
    wrong = known.filter(~known.correct, known.model_version == version).limit(EXPLAINED).to_pyarrow().to_pylist()
    found = explain(model, [orjson.loads(row["inputs"]) for row in wrong], usual)
    return [
        {
            **{name: row[name] for name in ("project_id", "inference_request_id", "model_name", "model_version")},
            "rank": rank,
            **weight._asdict(),
        }
        for row, weights in zip(wrong, found, strict=True)
        for rank, weight in enumerate(weights, 1)
    ]


def slices(labeled: "ibis.Table", enriched: "ibis.Table", inferences: "ibis.Table") -> "pa.Table":
    """The failure slices of every model, one row each."""
    import pyarrow as pa

    rows = [
        {"project_id": project_id, "model_name": name, **each._asdict()}
        for project_id, name in _models(labeled)
        for each in failure_slices(_judged(labeled, enriched, inferences, project_id, name))
    ]
    schema = pa.schema(
        [
            pa.field("project_id", pa.int32()),
            pa.field("model_name", pa.string()),
            pa.field("attribute", pa.string()),
            pa.field("value", pa.string()),
            pa.field("answers", pa.int64()),
            pa.field("wrong", pa.int64()),
            *(pa.field(name, pa.float64()) for name in ("rate", "low", "high", "rest_rate", "p")),
            pa.field("is_found", pa.bool_()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _models(labeled: "ibis.Table") -> list[tuple[int, str]]:
    found = labeled.select("project_id", "model_name").distinct().order_by("project_id", "model_name")
    return [(row["project_id"], row["model_name"]) for row in found.to_pyarrow().to_pylist()]


def _judged(
    labeled: "ibis.Table", enriched: "ibis.Table", inferences: "ibis.Table", project_id: int, name: str
) -> list[Mapping[str, Any]]:
    """The newest judged answers of a model with what they may share."""
    mine = labeled.filter(labeled.project_id == project_id, labeled.model_name == name, labeled.correct.notnull())
    mine = (
        mine.order_by(mine.feedback_offset.desc())
        .limit(NEWEST)
        .select("feedback_offset", "inference_offset", "correct", "answer_label")
    )
    said = enriched.select("segments", "context", "text_characters", "text_language", e_offset=enriched.log_offset)
    asked = inferences.select(
        i_offset=inferences.log_offset,
        inference_segments=inferences.segments,
        confidence=inferences.confidence,
        attributed_to=inferences.attributed_to,
    )
    table = mine.left_join(said, mine.feedback_offset == said.e_offset)
    table = table.left_join(asked, table.inference_offset == asked.i_offset)
    found: list[Mapping[str, Any]] = table.to_pyarrow().to_pylist()
    return found
