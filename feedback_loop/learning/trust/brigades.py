"""Brigades: many who never spoke before turn to one model version at once, and say otherwise than those who did.

New users alone are no brigade, and neither is another opinion: it takes both, and people who were there before to
compare with. So a launch, where everybody is new, raises nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from feedback_loop.learning.bias.comparing import Z_999
from feedback_loop.learning.influence import LIKING
from feedback_loop.learning.metrics._interval import interval

NEW_FOR_S = 86_400
"""So long after their first feedback somebody is new."""

TOGETHER = 2
"""Hours of receipt that are looked at together, the one that has begun among them."""

BEFORE = 24
"""Hours before these, in which it shows how many newcomers are usual."""

LEAST_NEWCOMERS = 20
TIMES_AS_MANY = 5
LEAST_KNOWN = 30
"""Votes of those who are not new that it takes to compare with."""

LEAST_GAP = 0.2

DETECTED = "brigade_detected"


class Hour(NamedTuple):
    """What was said of one model version in one hour of receipt (since 1970): how many users came whose very first
    feedback it was, and how many votes, and good ones, came of new and of known users.
    """

    hour: int
    newcomers: int = 0
    new_votes: int = 0
    new_good: int = 0
    known_votes: int = 0
    known_good: int = 0


def outcome_of(feedback: Mapping[str, Any], inference: Mapping[str, Any]) -> bool | None:
    """Whether a feedback (ATTRIBUTED_SCHEMA) speaks well of the answer; None where it does not say.

    A preference speaks well of the first output: it is only compared with other preferences.
    """
    if feedback["correct"] is not None:
        return bool(feedback["correct"])
    if feedback["preferred"] is not None:
        return bool(feedback["preferred"] == inference["output_ids"][0])
    return bool(feedback["reward"] >= 0.5) if feedback["feedback_type"] in LIKING else None


def brigade(hours: Sequence[Hour], now: int) -> str | None:
    """Why the newest hours look like a brigade, `now` being the one that has begun; None where they do not."""
    recent = [each for each in hours if now - TOGETHER < each.hour <= now]
    before = [each for each in hours if now - TOGETHER - BEFORE < each.hour <= now - TOGETHER]
    newcomers = sum(each.newcomers for each in recent)
    usual = sum(each.newcomers for each in before) * TOGETHER / BEFORE
    if newcomers < LEAST_NEWCOMERS or newcomers < TIMES_AS_MANY * usual:
        return None
    votes, good = sum(each.new_votes for each in recent), sum(each.new_good for each in recent)
    known, liked = (sum(getattr(each, name) for each in recent + before) for name in ("known_votes", "known_good"))
    if known < LEAST_KNOWN or not votes or abs(good / votes - liked / known) < LEAST_GAP:
        return None
    (low, high), (known_low, known_high) = interval(good, votes, Z_999), interval(liked, known, Z_999)
    if low <= known_high and known_low <= high:
        return None
    return (
        f"{newcomers} new users within {TOGETHER} hours, {usual:.0f} are usual; "
        f"{good / votes:.0%} of their votes are good ones, {liked / known:.0%} of those of known users"
    )
