"""The sensor that starts retraining by itself: the newest drift report and the alerts, the trigger's answer, a run."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import orjson
from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.jobs import retrain
from feedback_assets.partitions import DAYS_LEFT_TAG
from feedback_assets.resources import LogResource
from feedback_assets.retraining import TRAINING, Question, ask, gist, raised_alerts
from feedback_assets.sensors.pace import INTERVAL_S, is_running
from feedback_assets.sensors.signals import Answer, answered, signalled
from feedback_assets.standing import with_standing
from feedback_ingest.clock import new_id, utc_now
from feedback_loop.learning.increments import is_increment
from feedback_loop.learning.triggers import TriggerDecision

REPORT = dg.AssetKey("drift_report")
REASON_TAG = "feedback/reason"
MODEL_TAG = "feedback/model_name"


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Retrains a model whose champion drifted, once there are enough new labels; the log says why.",
)
def drift(context: dg.SensorEvaluationContext, log: LogResource) -> dg.SensorResult | dg.SkipReason:
    """Asks the trigger about each model of the newest report, anew when a report or an alert comes within the tick."""
    told: dict[str, str] = orjson.loads(context.cursor) if context.cursor else {}
    instance = context.instance
    return answered(log, lambda: _asked(instance, log, told), lambda: (_newest(instance), signalled(log)))


def _asked(instance: dg.DagsterInstance, log: LogResource, told: dict[str, str]) -> Answer:
    """At most one training is at work at a time; `told` is what was said last of each model and trigger."""
    found = newest_report(instance)
    if not found:
        return dg.SkipReason("there is no settled drift report yet")
    requests: list[dg.RunRequest] = []
    reasons = []
    for row in found:
        with log.session() as session:
            is_training = bool(requests) or is_running(instance, retrain.name)
            question = gathered(session, row, is_training)
            decision = with_standing(session, question, ask(question, log.settings), told)
            name = f"{row['project_id']} {row['model_name']}"
            if decision.fires:
                requests.append(_requested(row, decision))
            if decision.fires or (not question.is_stale and told.get(name) != gist(decision.reason)):
                keep(session, log, row, decision)
                told[name] = gist(decision.reason)
        reasons.append(f"{row['model_name']}: {decision.reason}")
    cursor = orjson.dumps(told).decode()
    skipped = None if requests else dg.SkipReason("; ".join(reasons))
    return dg.SensorResult(run_requests=requests or None, skip_reason=skipped, cursor=cursor)


def _newest(instance: dg.DagsterInstance) -> float:
    """When the newest drift report was made."""
    event = instance.get_latest_materialization_event(REPORT)
    return event.timestamp if event is not None else 0.0


def newest_report(instance: dg.DagsterInstance) -> list[Mapping[str, Any]]:
    """The rows of the newest drift report; none before the first, and none while days still wait for their refresh."""
    event = instance.get_latest_materialization_event(REPORT)
    if event is None or event.asset_materialization is None:
        return []
    run = instance.get_run_by_id(event.run_id)
    if run is not None and run.tags.get(DAYS_LEFT_TAG, "0") != "0":
        return []
    rows: Any = event.asset_materialization.metadata["reports"].value
    return list(rows)


def gathered(session: Session, row: Mapping[str, Any], is_training: bool) -> Question:
    """What the trigger must know of one model."""
    told = facts.of_model(facts.of_the_loop(facts.read(session, TRAINING)), row["project_id"], row["model_name"])
    trainings = [fact for fact in told if not is_increment(fact.body.get("model_version", ""))]
    return Question(row, trainings, raised_alerts(session, row), is_training, utc_now())


def keep(session: Session, log: LogResource, row: Mapping[str, Any], decision: TriggerDecision) -> None:
    """Appends the trigger's answer to the log: each training, and why there was none where the reason changed."""
    kind = facts.RETRAINING_TRIGGERED if decision.fires else facts.RETRAINING_SUPPRESSED
    body = {
        "model_name": row["model_name"],
        "model_version": row["model_version"],
        "reason": decision.reason,
        **({"job": decision.job} if decision.job else {}),
        "new_labels": row["new_labels"],
        "upto_offset": row["upto_offset"],
    }
    name = _key(row) if decision.fires else str(new_id())
    facts.append(session, log.pepper, row["project_id"], kind, name, body, utc_now())


def _requested(row: Mapping[str, Any], decision: TriggerDecision) -> dg.RunRequest:
    config = {"project_id": row["project_id"], "model_name": row["model_name"]}
    return dg.RunRequest(
        run_key=_key(row),
        run_config={"ops": {"training_dataset": {"config": config}}},
        tags={REASON_TAG: decision.reason, MODEL_TAG: row["model_name"]},
    )


def _key(row: Mapping[str, Any]) -> str:
    """One training a report and model, however often the sensor looks at it."""
    return f"{retrain.name}-{row['project_id']}-{row['model_name']}-{row['upto_offset']}"
