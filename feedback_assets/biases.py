"""The bias of every model's feedback: what is counted of it, and the facts that tell when that has changed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feedback_assets import facts
from feedback_assets.resources import LogResource
from feedback_ingest.clock import utc_now
from feedback_loop.learning import bias
from feedback_loop.learning.bias import Report
from feedback_loop.learning.influence import likings
from feedback_loop.learning.rows import json_text
from feedback_loop.learning.segments import admitted

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

TOLD = (bias.DETECTED, bias.RESOLVED)


@dataclass(frozen=True, slots=True)
class ModelBias:
    """One model and what was found of its feedback."""

    project_id: int
    model_name: str
    report: Report


def biases(feedback: "ibis.Table", events: "ibis.Table", inferences: "ibis.Table", upto_offset: int) -> list[ModelBias]:
    """Every model that answered, by project and name, as the log says up to an offset.

    `feedback` is attributed; `events` are all that came, which tell which segments there are.
    """
    told, every, asked = (table.filter(table.log_offset <= upto_offset) for table in (feedback, events, inferences))
    recent = told.semi_join(bias.newest(asked, bias.WINDOW), ["project_id", "inference_request_id"])
    counted = bias.tallied(recent, asked, admitted(every, asked))
    positions, liked = bias.position_counts(recent), likings(recent)
    return [
        ModelBias(*model, bias.judge(tally, positions.get(model, ()), liked.get(model)))
        for model, tally in sorted(counted.items())
    ]


def tell(log: LogResource, found: list[ModelBias], upto_offset: int) -> None:
    """Appends `bias_detected` where a finding is new, and `bias_resolved` where the last one is gone."""
    with log.session() as session:
        told = facts.read(session, TOLD)
        for each in found:
            before = facts.of_model(told, each.project_id, each.model_name)
            kind = bias.to_tell(each.report, before[-1].body if before else None)
            if kind is not None:
                body = bias.fact_body(each.model_name, each.report) | {"log_offset": upto_offset}
                name = f"{each.model_name}-{upto_offset}"
                facts.append(session, log.pepper, each.project_id, kind, name, body, utc_now())


def rows(found: list[ModelBias], upto_offset: int) -> "pa.Table":
    """One row a model; the report is JSON text."""
    import pyarrow as pa

    schema = pa.schema(
        [
            pa.field("project_id", pa.int32()),
            pa.field("model_name", pa.string()),
            pa.field("is_biased", pa.bool_()),
            pa.field("reasons", pa.list_(pa.string())),
            pa.field("served", pa.int64()),
            pa.field("answered", pa.int64()),
            pa.field("report", pa.string()),
            pa.field("upto_offset", pa.int64()),
        ]
    )
    return pa.Table.from_pylist([_row(each, upto_offset) for each in found], schema)


def _row(found: ModelBias, upto_offset: int) -> dict[str, Any]:
    report = found.report
    return {
        "project_id": found.project_id,
        "model_name": found.model_name,
        "is_biased": bool(report.findings),
        "reasons": [each.reason for each in report.findings] or [report.note or "none found"],
        "served": report.served,
        "answered": report.answered,
        "report": json_text(bias.report_told(report)),
        "upto_offset": upto_offset,
    }
