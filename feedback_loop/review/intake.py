"""Intake: what routes led to review and policies flagged becomes items, each once, within the budgets of a day.

Both are read behind places in the log that move in the transaction which opens the items, so nothing is left out.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.decisions import Decider
from feedback_ingest.log import Fact
from feedback_loop.learning.reviewing import DEFAULT, ReviewQueue, priority_of
from feedback_loop.review.folding import tell
from feedback_loop.review.items import bodies
from feedback_loop.review.opening import KNOWN, opened, tell_new
from feedback_loop.review.queues import ProjectQueues

BY_ROUTES, BY_POLICIES = "routes", "policies"
"""Who opened what a route led to review, or a policy flagged."""
BUDGET_SPENT = "review_budget_spent"
WHERE_IT_IS = text("SELECT routed_offset, flagged_offset FROM review_intake WHERE project_id = :project_id")
LOCK_INTAKE = text("""
INSERT INTO review_intake AS i (project_id, routed_offset, flagged_offset) VALUES (:project_id, 0, 0)
ON CONFLICT (project_id) DO UPDATE SET routed_offset = i.routed_offset RETURNING routed_offset, flagged_offset
""")
MOVE_INTAKE = text("""
UPDATE review_intake SET routed_offset = :routed, flagged_offset = :flagged WHERE project_id = :project_id
""")
IS_BUSY = text("SELECT NOT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
IS_FREE = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
OPENED_TODAY = text("""
SELECT policy_id, count(*) FROM review_tasks
WHERE project_id = :project_id AND policy_id = ANY(CAST(:policies AS text[])) AND policy_id <> ''
  AND opened_at >= :midnight GROUP BY policy_id
""")
OF_FLAGS = ("priority", "reason", "feedback_id", "policy_id", "policy_version", "share")
Found = Sequence[Mapping[str, Any]]


class Sources(NamedTuple):
    """Where items come from. Each gives what came behind an offset, in order, all or nothing of one offset.

    Of routes: feedback_id, route_id, inference_request_id, reason, routed_offset. Of policies: policy_id,
    policy_version, queue_id, inference_request_id, feedback_id, reason, share, per_day, priority, flagged_offset.
    """

    routed: Callable[[int], Found]
    flagged: Callable[[int], Found]


def take_in(
    session: Session, queues: ProjectQueues, sources: Sources, decider: Decider, now: datetime, waits: bool = False
) -> int:
    """Opens what came since the last time; how many items that were. The caller commits, soon.

    One process at a time; the others have nothing to do then, and those that `waits` come back when it is done.
    """
    given = {"project_id": queues.project_id}
    routed, flagged = session.execute(WHERE_IT_IS, given).one_or_none() or (0, 0)
    if not sources.routed(routed) and not sources.flagged(flagged):
        return 0
    key = {"key": f"review intake {queues.project_id}"}
    if waits:
        session.execute(IS_FREE, key)
    elif session.execute(IS_BUSY, key).scalar_one():
        return 0
    routed, flagged = session.execute(LOCK_INTAKE, given).one()
    candidates, flags = sources.routed(routed), sources.flagged(flagged)
    if candidates:
        routed = candidates[-1]["routed_offset"]
    if flags:
        flagged = flags[-1]["flagged_offset"]
    session.execute(MOVE_INTAKE, given | {"routed": routed, "flagged": flagged})
    known = queues.every()
    facts = _of_routes(session, queues.project_id, known, candidates, now)
    found, spent = _of_policies(session, queues.project_id, known, flags, now)
    count = sum(tell_new(session, list({fact.id: fact for fact in (*found, *facts)}.values()), decider).values())
    if spent:
        tell(session, spent, decider.pepper)
    return count


def opened_today(session: Session, project_id: int, policies: Sequence[str], now: datetime) -> Counter[str]:
    """How many items each policy had opened on this UTC day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    given = {"project_id": project_id, "policies": list(policies), "midnight": midnight}
    return Counter({row[0]: row[1] for row in session.execute(OPENED_TODAY, given)})


def _of_routes(
    session: Session, project_id: int, known: Sequence[ReviewQueue], found: Found, now: datetime
) -> list[Fact]:
    inferences = bodies(session, project_id, "inference", [each["inference_request_id"] for each in found])
    feedback = bodies(session, project_id, "feedback", [each["feedback_id"] for each in found])
    facts = []
    for each in found:
        about, feedback_id = each["inference_request_id"], each["feedback_id"]
        priority = priority_of(feedback.get(feedback_id), inferences.get(about))
        told = {"priority": priority, "reason": each["reason"], "feedback_id": feedback_id}
        facts += [opened(project_id, queue, about, BY_ROUTES, told, now) for queue in _led_to(known, each["route_id"])]
    return facts[::-1]  # of several about one item the first stands, and a dict keeps the last


def _of_policies(
    session: Session, project_id: int, known: Sequence[ReviewQueue], found: Found, now: datetime
) -> tuple[list[Fact], list[Fact]]:
    """What is opened, and where a budget was used up for the day: what comes after that is not opened."""
    by_id = {queue.queue_id: queue for queue in known}
    counts = opened_today(session, project_id, sorted({each["policy_id"] for each in found}), now)
    wanted = [(each, _flagged(project_id, by_id, each, now)) for each in found]
    ids = [fact.id for _, fact in wanted]
    seen = set(session.execute(KNOWN, {"project_id": project_id, "ids": ids}).scalars())
    facts: dict[str, Fact] = {}
    spent: dict[str, Fact] = {}
    for each, fact in wanted:
        if fact.id in facts or fact.id in seen:
            continue
        if each["per_day"] is not None and counts[each["policy_id"]] >= each["per_day"]:
            spent[each["policy_id"]] = _spent(project_id, each, now)
            continue
        counts[each["policy_id"]] += 1
        facts[fact.id] = fact
    return list(facts.values()), list(spent.values())


def _flagged(project_id: int, queues: Mapping[str, ReviewQueue], flag: Mapping[str, Any], now: datetime) -> Fact:
    queue = queues.get(flag["queue_id"], queues[DEFAULT.queue_id])
    told = {name: flag[name] for name in OF_FLAGS if flag[name] is not None}
    return opened(project_id, queue, flag["inference_request_id"], BY_POLICIES, told, now)


def _spent(project_id: int, flag: Mapping[str, Any], now: datetime) -> Fact:
    """One a policy and day, under a name of its own, so that the log itself holds no second one."""
    day = str(now.date())
    told = {"per_day": flag["per_day"], "day": day, "version": flag["policy_version"]}
    body = {"actor": BY_POLICIES, "subject": flag["policy_id"], **told}
    return Fact(project_id, BUDGET_SPENT, f"{flag['policy_id']}:{day}", body, now)


def _led_to(queues: Sequence[ReviewQueue], route_id: str) -> list[ReviewQueue]:
    named = [queue for queue in queues if route_id in queue.routes]
    return named or [queue for queue in queues if queue.queue_id == DEFAULT.queue_id]
