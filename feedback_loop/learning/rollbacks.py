"""Rollbacks: when a rule may ask for one, and when the one asked for is carried out; with the reason for yes and no."""

from collections.abc import Callable
from datetime import timedelta
from typing import Literal, NamedTuple

from feedback_loop.learning.ratios import Ratio, without
from feedback_loop.learning.rules import Decision, Rule, Voices, is_sure, sure_fall

FEWEST_PEOPLE = 20
"""So many people, known before the window, must be behind a rollback that rests on what end users say."""
FRESH = timedelta(minutes=5)
"""A window that ended longer ago says nothing of the present."""
PATIENCE = timedelta(minutes=10)
"""A request that waited longer, because the stream was away, is not carried out."""


Witness = Literal["people", "truth"]
"""What a request rests on: what end users say, or the ground truth and reviewers, who need no users beside them."""


class Asked(NamedTuple):
    """Whether a rollback is asked for now, and on whose word; `reason` says why not yet."""

    asks: bool
    reason: str = ""
    rests_on: Witness = "people"


def may_ask(rule: Rule, found: Decision, serves: bool, age: timedelta, listen: Callable[[], Voices]) -> Asked:
    """Whether a standing alert is reason enough to go back to the version before.

    The version serves, the window is of the present (`age` ago), and the value is beyond the limit with its whole 95 %
    interval: either by enough people, or by the ground truth and reviewers alone.
    """
    if not serves:
        return Asked(False, "this version does not serve")
    if age > timedelta(seconds=rule.window_s) + FRESH:
        return Asked(False, f"the window ended {age.total_seconds():.0f} s ago")
    if not is_sure(rule, found.seen, found.base):
        return Asked(False, "the interval reaches the limit")
    voices = listen()
    if voices.votes is not None:
        witnessed = without(found.seen, voices.votes)
        if witnessed.samples >= rule.min_samples and is_sure(rule, witnessed, found.base):
            return Asked(True, rests_on="truth")
    fewest = max(FEWEST_PEOPLE, rule.min_users)
    if voices.users >= fewest:
        return Asked(True)
    return Asked(False, f"{voices.users} of {fewest} people known before")


class Gold(NamedTuple):
    """How often two versions were right on the same golden rows, when the one that serves was compared with the other.

    Nobody who gives feedback knows which rows those are.
    """

    serving: Ratio
    target: Ratio

    @property
    def speaks_against(self) -> bool:
        """Whether the version to go back to is worse there, and not by chance: Newcombe's 95 % interval excludes 0."""
        return sure_fall(self.serving, self.target) > 0


class Situation(NamedTuple):
    """What is known when a rollback is to be carried out.

    `leaves` is the version that is to go (None: whichever serves), `target` the one that served before it and was not
    itself rolled back, `is_known` whether that one is on the shelf; `since_rollback` is None before a first rollback.
    """

    serving: str | None
    leaves: str | None
    target: str | None
    is_known: bool
    is_held: bool
    since_rollback: timedelta | None
    waited: timedelta
    rests_on: Witness = "truth"
    gold: Gold | None = None
    """None where the two were never compared on golden rows."""


def refusal(situation: Situation, cooldown_s: int, is_by_hand: bool) -> tuple[str, str] | None:
    """Why a rollback is not carried out, as a code and a sentence; None: it is.

    A person overrides the hold, the cool-down and the wait, but cannot go where nothing is.
    """
    serving, leaves, target = situation.serving, situation.leaves, situation.target
    if serving is None:
        return "not_serving", "no version serves yet"
    if leaves is not None and leaves != serving:
        return "not_serving", f"{serving} serves by now, not {leaves}"
    if target is None:
        return "no_previous_version", f"{serving} is the first version"
    if not situation.is_known:
        return "no_previous_version", f"nothing is known of {target}; register it"
    if is_by_hand:
        return None
    if situation.is_held:
        return "held", f"an operator holds {serving}"
    gold = situation.gold
    if situation.rests_on == "people" and gold is not None and gold.speaks_against:
        was, is_ = gold.target, gold.serving
        return "worse_on_gold", (
            f"people ask for it, but on golden rows {target} was right on {was.numerator:.0f} of {was.denominator:.0f}"
            f" and {serving} on {is_.numerator:.0f} of {is_.denominator:.0f}"
        )
    if situation.waited > PATIENCE:
        return "too_late", f"it was asked for {situation.waited.total_seconds():.0f} s ago"
    since = situation.since_rollback
    if since is not None and since < timedelta(seconds=cooldown_s):
        return "cooling_down", f"the last rollback was {since.total_seconds():.0f} s ago, of {cooldown_s} s to wait"
    return None
