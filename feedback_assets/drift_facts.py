"""That drift was found, or is over, as facts: one where a report says otherwise than the newest fact of its model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_assets import facts
from feedback_assets.resources import LogResource
from feedback_ingest.clock import utc_now

if TYPE_CHECKING:
    import pyarrow as pa

TOLD = ("model_name", "model_version", "accuracy_reference", "accuracy_recent", "samples", "inputs_moved", "reasons")


def tell_changes(log: LogResource, reports: "pa.Table") -> None:
    """Appends `drift_detected` or `drift_resolved` for each model of `drift_report` about which that is new."""
    with log.session() as session:
        known = facts.read(session, (facts.DRIFT_DETECTED, facts.DRIFT_RESOLVED))
        for row in reports.to_pylist():
            mine = facts.of_model(known, row["project_id"], row["model_name"])
            was_detected = bool(mine) and mine[-1].kind == facts.DRIFT_DETECTED
            if row["is_detected"] != was_detected:
                kind = facts.DRIFT_DETECTED if row["is_detected"] else facts.DRIFT_RESOLVED
                name = f"{row['model_name']}-{row['upto_offset']}"
                facts.append(session, log.pepper, row["project_id"], kind, name, _body(row), utc_now())


def _body(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in (*TOLD, "upto_offset") if row[name] is not None}
