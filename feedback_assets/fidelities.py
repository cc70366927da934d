"""The fidelity of every model's feedback: its scores, and the facts that tell what has become worse."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feedback_assets import facts
from feedback_assets.resources import LogResource
from feedback_ingest.clock import utc_now
from feedback_loop.learning import fidelity
from feedback_loop.learning.fidelity import WINDOW, Fidelity, fidelities
from feedback_loop.learning.rows import json_text
from feedback_loop.learning.segments import Admitted, admitted

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

READ = (
    "log_offset", "project_id", "model_name", "inference_request_id", "source_kind", "metric", "feedback_type", "state",
    "is_undone", "is_retraction", "label", "preferred", "reward", "answer_label", "segments", "occurred_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelFidelity:
    """One cell of one model."""

    project_id: int
    model_name: str
    found: Fidelity


def scored(
    feedback: "ibis.Table", events: "ibis.Table", inferences: "ibis.Table", upto_offset: int
) -> list[ModelFidelity]:
    """The newest feedback of every model, by project, name and cell, as the log says up to an offset."""
    import ibis

    said, every, asked = (table.filter(table.log_offset <= upto_offset) for table in (feedback, events, inferences))
    newest = ibis.row_number().over(group_by=["project_id", "model_name"], order_by=ibis.desc("log_offset"))
    recent = said.mutate(place=newest).filter(lambda rows: rows.place < WINDOW).select(*READ, "inference_offset")
    known = asked.select(i_offset="log_offset", asked_at="occurred_at", asked_segments="segments")
    rows = recent.left_join(known, recent.inference_offset == known.i_offset).to_pyarrow().to_pylist()
    segments = Admitted((row["project_id"], row["name"], row["value"]) for row in _known(every, asked))
    by_model: defaultdict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_model[row["project_id"], row["model_name"]].append(row)
    return [
        ModelFidelity(project_id, name, found)
        for (project_id, name), mine in sorted(by_model.items())
        for found in fidelities(project_id, mine, segments)
    ]


def tell(log: LogResource, found: list[ModelFidelity], upto_offset: int) -> None:
    """Appends `fidelity_degraded` where a source has become worse, and `fidelity_restored` where it no longer is."""
    with log.session() as session:
        told = facts.read(session, (fidelity.DEGRADED, fidelity.RESTORED))
        last = {(fact.project_id, *fidelity.cell_of(fact.body)): fact.kind for fact in told}
        for each in found:
            one = each.found
            cell = (each.model_name, one.source, one.metric, one.segment)
            kind = fidelity.to_tell(one, last.get((each.project_id, *cell)))
            if kind is not None:
                body: dict[str, Any] = dict(zip(("model_name", "source", "metric", "segment"), cell, strict=True))
                reason = one.worse or "the newer half is no worse than the older one"
                body |= {"score": one.score, "events": one.events, "reason": reason, "log_offset": upto_offset}
                name = "-".join((*cell, str(upto_offset)))
                facts.append(session, log.pepper, each.project_id, kind, name, body, utc_now())


def rows(found: list[ModelFidelity], upto_offset: int) -> "pa.Table":
    """One row a cell; the parts are JSON text."""
    import pyarrow as pa

    schema = pa.schema(
        [
            pa.field("project_id", pa.int32()),
            pa.field("model_name", pa.string()),
            pa.field("source", pa.string()),
            pa.field("metric", pa.string()),
            pa.field("segment", pa.string()),
            pa.field("events", pa.int64()),
            pa.field("score", pa.float64()),
            pa.field("worse", pa.string()),
            pa.field("parts", pa.string()),
            pa.field("upto_offset", pa.int64()),
        ]
    )
    told = [
        {**fidelity.told(each.found), "project_id": each.project_id, "model_name": each.model_name} for each in found
    ]
    rows = [{**row, "parts": json_text(row["parts"]), "upto_offset": upto_offset} for row in told]
    return pa.Table.from_pylist(rows, schema)


def _known(every: "ibis.Table", asked: "ibis.Table") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admitted(every, asked).to_pyarrow().to_pylist()
    return found
