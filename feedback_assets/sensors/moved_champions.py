"""The sensor that shows what moved outside Dagster, by a rule or by hand, a champion or who answers in its shadow: on
the champion's asset, and to MLflow.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from feedback_assets import facts
from feedback_assets.lineage_links import Links, model_links
from feedback_assets.resources import LogResource
from feedback_assets.sensors.pace import INTERVAL_S
from feedback_ingest.log import LogRow
from feedback_loop.registry.shadows import ENDED, SHADOWED, shadows
from feedback_loop.registry.shelf import SHADOW, drop_alias, follow_alias

SHOWN = ("model_name", "model_version", "previous_version", "reason", "rule", "alert_id", "actor", "code")
MOVED = (facts.MODEL_PROMOTED, facts.MODEL_ROLLED_BACK, facts.MODEL_ROLLBACK_REFUSED, SHADOWED, ENDED)
SERVES = (facts.MODEL_PROMOTED, facts.MODEL_ROLLED_BACK)


@dg.sensor(
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records rollbacks, their refusals, promotions by hand, and shadows as events of serving_model.",
)
def moved_champions(context: dg.SensorEvaluationContext, log: LogResource) -> dg.SkipReason:
    """One event a fact, however often a tick is repeated: the cursor is the offset of the last one recorded."""
    after = int(context.cursor or 0)
    with log.session() as session:
        found = [fact for fact in facts.read(session, MOVED) if fact.log_offset > after]
    moved = moved_outside(found)
    for fact in moved:
        links = model_links(log.settings, fact.body["model_name"], fact.body["model_version"])
        context.instance.report_runless_asset_event(event_of(fact, links))
        tell_mlflow(log, fact)
        context.update_cursor(str(fact.log_offset))
    return dg.SkipReason(f"recorded {len(moved)} moves of a champion")


def tell_mlflow(log: LogResource, fact: LogRow) -> None:
    """Lets the alias that a fact is about follow: of a shadow to the one that is there by now, if any is."""
    model_name = fact.body["model_name"]
    if fact.kind in SERVES:
        follow_alias(log.database, fact.project_id, model_name, fact.body["model_version"])
    elif fact.kind in (SHADOWED, ENDED):
        with log.session() as session:
            found = shadows(session, fact.project_id).get(model_name)
            version = found.version.model_version if found is not None else None
        if version is None:
            drop_alias(log.database, fact.project_id, model_name, SHADOW)
        else:
            follow_alias(log.database, fact.project_id, model_name, version, SHADOW)


def moved_outside(found: Sequence[LogRow]) -> list[LogRow]:
    """Those that no run of Dagster tells of already: a promotion or a shadow by the gate names no person."""
    by_gate = (facts.MODEL_PROMOTED, SHADOWED)
    return [fact for fact in found if fact.kind not in by_gate or "actor" in fact.body]


def event_of(fact: LogRow, links: Links) -> dg.AssetMaterialization | dg.AssetObservation:
    """What is shown of it: a move makes another model serve; a refusal, and what answers in the shadow, is observed."""
    told: dict[str, Any] = {"decision": fact.kind, "log_offset": fact.log_offset, **links}
    told |= {name: fact.body[name] for name in SHOWN if name in fact.body}
    kind = dg.AssetMaterialization if fact.kind in SERVES else dg.AssetObservation
    return kind("serving_model", metadata=told)
