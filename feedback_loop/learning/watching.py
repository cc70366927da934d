"""Watching one rule on one model version: at which moments it is looked at, and what is decided at each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol

from feedback_loop.learning.ratios import Point, Ratio, ratio, without
from feedback_loop.learning.rules import (
    PAST,
    Decision,
    Rule,
    Standing,
    Voices,
    decide,
    is_beyond,
)

Listen = Callable[[datetime, datetime], Voices]
"""Who speaks in the metric between two moments of event time."""


class Moved(Protocol):
    """What a batch added to one bucket, and the newest event time that it added there."""

    newest: datetime
    numerator: Decimal
    denominator: Decimal
    heaviest: Decimal
    """The most that one case of it stands for."""


class Evidence(NamedTuple):
    """What a rule is decided on: the version's own buckets, and those of the version it is compared with.

    `points` reach back far enough for the window and, where the version is compared with its past, for that.
    """

    points: Sequence[Point]
    others: Sequence[Point]
    listen: Listen


def look(rule: Rule, evidence: Evidence, moved: Mapping[datetime, Moved], standing: Standing) -> Iterator[Decision]:
    """The rule's decisions at every moment of event time that a batch has brought it to, in order."""
    for moment in moments(evidence.points, moved):
        start = moment - timedelta(seconds=rule.window_s)
        seen = ratio(evidence.points, start, moment)
        base = baseline(rule, evidence, start)
        found = decide(rule, seen, moment, standing, base)
        if found.fires and rule.min_users:
            found = _by_enough_people(rule, found, seen, base, evidence.listen(start, moment))
        if found.fires or found.recovers:
            last_fired = moment if found.fires else standing.last_fired
            standing = standing._replace(is_raised=found.fires, last_fired=last_fired)
        yield found


def moments(points: Sequence[Point], moved: Mapping[datetime, Moved]) -> list[datetime]:
    """When to look: once in each bucket that is new ground, and once at the newest time known, for what came late.

    A batch may span hours after a pause, or seconds: a fall and a rise within it are both seen. What came late counts
    in the present window if it belongs there; the past is not decided again.
    """
    unmoved = [
        start
        for start, numerator, denominator, _ in points
        if start not in moved or (numerator, denominator) != (moved[start].numerator, moved[start].denominator)
    ]
    horizon = max(unmoved, default=min(moved))
    newest = max(horizon, *(movement.newest for movement in moved.values()))
    return sorted({newest, *(movement.newest for start, movement in moved.items() if start >= horizon)})


def reach_s(rule: Rule) -> int:
    """How many seconds before a moment the version's own buckets matter."""
    return rule.window_s + (rule.baseline_period_s or 0 if rule.baseline == PAST else 0)


def baseline(rule: Rule, evidence: Evidence, start: datetime) -> Ratio | None:
    """What the window is compared with: the time before it, or the other version's newest period."""
    if rule.baseline_period_s is None:
        return None
    period = timedelta(seconds=rule.baseline_period_s)
    if rule.baseline == PAST:
        return ratio(evidence.points, start - period, start - timedelta(microseconds=1))
    newest = max((point.bucket_start for point in evidence.others), default=start)
    return ratio(evidence.others, newest - period, newest)


def _by_enough_people(rule: Rule, found: Decision, seen: Ratio, base: Ratio | None, voices: Voices) -> Decision:
    """Fires as well where the ground truth and the reviewers alone are reason enough."""
    if voices.users >= rule.min_users:
        return found._replace(reason=f"{found.reason}, by {voices.users} people", users=voices.users)
    if voices.votes is not None and is_beyond(rule, without(seen, voices.votes), base):
        return found._replace(users=voices.users)
    why = f"{found.reason}, but by {voices.users} of {rule.min_users} people known before"
    return found._replace(verdict="too_few_users", reason=why, users=voices.users)
