"""The triggers a project defined, asked about one model: what they must know is gathered, what they remember kept."""

from collections.abc import MutableMapping
from typing import Any

import orjson
from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.retraining import Question, report_of
from feedback_loop.learning.bias.verdicts import DETECTED, RESOLVED
from feedback_loop.learning.standing_triggers import Memory, look
from feedback_loop.learning.trigger_conditions import Moment
from feedback_loop.learning.triggers import TriggerDecision
from feedback_loop.stream.standing import REQUESTED, ProjectTriggers


def with_standing(
    session: Session, question: Question, decision: TriggerDecision, told: MutableMapping[str, Any]
) -> TriggerDecision:
    """`decision`, or that of the first standing trigger that fires; each reason is told, also for not firing.

    `told` holds what the triggers remember, from look to look.
    """
    project_id, model_name = question.found["project_id"], question.found["model_name"]
    standing = [each for each in ProjectTriggers(session, project_id).every() if each.model_name in (None, model_name)]
    if not standing or decision.fires or question.is_stale or question.is_training:
        return decision
    moment = _moment(session, question)
    reasons = [decision.reason]
    for trigger in standing:
        key = f"trigger {project_id} {model_name} {trigger.trigger_id}"
        looks, fired_s, is_armed, *seen = orjson.loads(told.get(key, "[0,[],true]"))
        report, memory = [question.found["upto_offset"]], Memory(looks, tuple(fired_s), is_armed)
        answer, memory = look(trigger, moment, memory, question.now.timestamp(), is_another=report != seen)
        told[key] = orjson.dumps([*memory, *report]).decode()
        reason = f"trigger {trigger.trigger_id}: {answer.reason}"
        if answer.fires:
            return answer._replace(reason=reason)
        reasons.append(reason)
    return decision._replace(reason="; ".join(reasons))


def _moment(session: Session, question: Question) -> Moment:
    found = question.found
    known = facts.read(session, (DETECTED, RESOLVED, REQUESTED))
    mine = facts.of_model(known, found["project_id"], found["model_name"])
    last = question.trainings[-1] if question.trainings else None
    since = None if last is None else (question.now - last.received_at).total_seconds()
    biases = [fact for fact in mine if fact.kind != REQUESTED]
    asked = [fact for fact in mine if fact.kind == REQUESTED and (last is None or fact.log_offset > last.log_offset)]
    return Moment(
        report_of(found),
        found["new_labels"],
        since,
        len(biases[-1].body["findings"]) if biases and biases[-1].kind == DETECTED else 0,
        asked[-1].body["actor"] if asked else None,
    )
