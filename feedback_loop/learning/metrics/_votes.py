"""Votes: what several people said of one answer, and how far they differ; for the metric `disagreement`."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.metrics._base import ONE, Amounts, is_settled

if TYPE_CHECKING:
    import ibis

LABELS = frozenset({"explicit_label", "explicit_correction", "review_label"})
LIKING = frozenset({"explicit_binary", "explicit_rating"})
VOTING = LABELS | LIKING | {"preference_pair"}
"""The types that are judgements of a person; what turned out to be true (`ground_truth`) contradicts nobody."""

TIE = "tie"
MILLION = 1_000_000


class Vote(NamedTuple):
    """What was asked (`label`, `liking`, `preference`), and what was answered."""

    question: str
    answer: str


def vote_of(state: Mapping[str, Any]) -> Vote | None:
    """The vote of one feedback in its present attribution, None where it is none or does not count."""
    kind = state["feedback_type"]
    if kind not in VOTING or not is_settled(state):
        return None
    if kind in LABELS:
        return None if state["label"] is None else Vote("label", state["label"])
    if kind in LIKING:
        return Vote("liking", "good" if state["reward"] >= 0.5 else "bad")
    return Vote("preference", TIE if state["tie"] else state["preferred"])


def contested(answers: Iterable[int]) -> Amounts | None:
    """What one inference adds, given how often each answer was given to one question; None below two votes."""
    counts = list(answers)
    total = sum(counts)
    if total < 2:
        return None
    pairs = total * (total - 1)
    differing = pairs - sum(count * (count - 1) for count in counts)
    return Amounts(Decimal((differing * MILLION + pairs // 2) // pairs).scaleb(-6), ONE)


def contested_answers(counted: "ibis.Table") -> "ibis.Table":
    """`contested` of every inference and question of the feedback that counts.

    Columns: project_id, inference_request_id, numerator.
    """
    import ibis

    liked = ibis.ifelse(counted.reward >= 0.5, "good", "bad")
    question = ibis.cases(
        (counted.feedback_type.isin(sorted(LABELS)), "label"),
        (counted.feedback_type.isin(sorted(LIKING)), "liking"),
        (counted.feedback_type == "preference_pair", "preference"),
    )
    votes = counted.mutate(
        question=question,
        vote=ibis.cases(
            (question == "label", counted.label),
            (question == "liking", liked),
            (question == "preference", ibis.ifelse(counted.tie, TIE, counted.preferred)),
        ),
    )
    votes = votes.filter(votes.vote.notnull())
    keys = ["project_id", "inference_request_id", "question"]
    alike = votes.group_by([*keys, "vote"]).agg(votes=votes.count())
    asked = alike.group_by(keys).agg(
        pairs=(alike.votes.sum() * (alike.votes.sum() - 1)).cast("int64"),
        same=(alike.votes * (alike.votes - 1)).sum().cast("int64"),
    )
    asked = asked.filter(asked.pairs > 0)
    millionths = ((asked.pairs - asked.same) * MILLION + asked.pairs // 2) // asked.pairs
    return asked.select(
        "project_id", "inference_request_id", numerator=millionths.cast("decimal(38, 6)") / ibis.literal(MILLION)
    )
