"""Increments: a champion that goes on learning, as versions of it; how they are named, and when one serves."""

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from feedback_loop.learning.gate_checks import Answered, Finding

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import StringValue

NAMED = re.compile(r"\A(.+)\.increment-\d+\Z", re.DOTALL)
LEAST = 50
"""Answers on which an increment must have shown itself against a champion that is none of its own."""

WEIGHED = 200
"""The newest answers count."""

TOLERATED = 0.05
"""How much less often than the answers that were given an increment's may be right before the next one is withheld."""


class Serve(NamedTuple):
    """Whether an increment takes the champion's place, and why or why not, one sentence."""

    serves: bool
    reason: str


def increment_name(champion: str, log_offset: int) -> str:
    """The version that has learnt up to an offset, on top of `champion` or of what that one is an increment of."""
    return f"{root_of(champion)}.increment-{log_offset}"


def root_of(version: str) -> str:
    """The version that went through the gate, of an increment of it or of itself."""
    found = NAMED.match(version)
    return found[1] if found else version


def rooted(table: "ibis.Table") -> "ibis.Table":
    """The rows with `root_of` in place of the version, so that a champion's life goes on in its increments."""
    return table.mutate(model_version=roots(table.model_version))


def roots(versions: "StringValue") -> "StringValue":
    """`root_of` of a column of versions."""
    return versions.re_replace(r"\.increment-[0-9]+$", "")


def is_increment(version: str) -> bool:
    """Whether it is a version that a champion learnt its way to, without a full retraining."""
    return NAMED.match(version) is not None


def prunable(newest_first: Sequence[str], needed: Collection[str], keep: int) -> list[str]:
    """Which of a model's versions need not stay: increments beyond the newest `keep`, save those that are needed."""
    increments = [version for version in newest_first if is_increment(version)]
    return [version for version in increments[keep:] if version not in needed]


def decide(answered: Sequence[Answered], is_own: bool, findings: Sequence[Finding] = ()) -> Serve:
    """Whether the increment serves, by what it would have answered before it learnt, newest first.

    Nothing is judged on rows it had seen: each was answered first and learnt then. `is_own` tells that the champion is
    an increment of the same learner, which needs no new proof. A gate check that failed withholds it in any case.
    """
    failed = [f"{each.check}: {each.reason}" for each in findings if each.outcome == "failed"]
    if failed:
        return Serve(False, "; ".join(failed))
    weighed = answered[:WEIGHED]
    if len(weighed) < LEAST:
        told = f"{len(weighed)} of {LEAST} answers to judge by"
        return Serve(is_own, told)
    ours, theirs = (
        sum(side) / len(weighed)
        for side in ([each.is_candidate_right for each in weighed], [each.is_champion_right for each in weighed])
    )
    told = f"test-then-train accuracy {ours:.3f} against {theirs:.3f} over {len(weighed)} answers"
    return Serve(ours >= theirs - (TOLERATED if is_own else 0.0), told)
