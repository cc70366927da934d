"""Rewards: what an inference is worth under a metric, of several feedbacks that say so, or of none in time.

The functions serve the stream one inference at a time, the expression serves partitions of millions, and a property
test holds them to one meaning. Only metrics that a project's attribution policy names make rewards.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from feedback_loop.learning.attribution import moment
from feedback_loop.learning.policies.attribution import (
    AttributionPolicy,
    Resolution,
    Terms,
    Waits,
    policy_at,
)

if TYPE_CHECKING:
    import ibis

State = Literal["pending", "attributed", "defaulted"]
MICRO = 1_000_000
FIELDS = ("metric", "wait_s", "default_reward", "resolve")


class Vote(NamedTuple):
    """One feedback that says what an inference was worth; votes sort by when they occurred."""

    occurred_at: datetime
    feedback_id: str
    source_kind: str
    reward: float

    @property
    def is_reviewers(self) -> bool:
        """Whether a reviewer said so."""
        return self.source_kind == "reviewer"


class Reward(NamedTuple):
    """What one inference is worth under one metric: by how many votes, and by which, where one of them decides."""

    state: State
    reward: float | None
    votes: int
    feedback_id: str | None


def is_vote(feedback: Mapping[str, Any]) -> bool:
    """Whether a feedback (ATTRIBUTED_SCHEMA) says what its inference is worth: attributed, standing, with a reward."""
    stands = feedback["state"] == "attributed" and not feedback["is_undone"] and not feedback["is_retraction"]
    return stands and feedback["reward"] is not None


def vote_of(feedback: Mapping[str, Any]) -> Vote:
    """The vote of one that is."""
    occurred_at = moment(feedback["occurred_at"])
    return Vote(occurred_at, feedback["feedback_id"], feedback["source_kind"], feedback["reward"])


def resolved(votes: Iterable[Vote], how: Resolution) -> tuple[float, str | None]:
    """One reward of several, at least one, and the feedback that decides; of a mean all do.

    Of equally many votes the majority is with those that hold the last one; a reviewer's last word is over a user's.
    """
    ordered = sorted(votes)
    if how == "mean":
        return sum(_micro(vote.reward) for vote in ordered) / len(ordered) / MICRO, None
    if how == "first":
        chosen = ordered[0]
    elif how == "majority":
        alike: defaultdict[float, list[int]] = defaultdict(list)
        for place, vote in enumerate(ordered):
            alike[vote.reward].append(place)
        chosen = ordered[max(alike.values(), key=lambda places: (len(places), places[-1]))[-1]]
    elif how == "reviewer_over_user":
        chosen = max(ordered, key=lambda vote: (vote.is_reviewers, vote))
    else:
        chosen = ordered[-1]
    return chosen.reward, chosen.feedback_id


def default_at(inference: Mapping[str, Any], terms: Terms) -> datetime | None:
    """When an inference of which nothing was said is given the default, in time of receipt; None: never."""
    if terms.default_reward is None or terms.wait_s is None:
        return None
    return moment(inference["received_at"]) + timedelta(seconds=terms.wait_s)


def reward(inference: Mapping[str, Any], votes: Sequence[Vote], terms: Terms, newest: datetime | None) -> Reward | None:
    """What an inference is worth as the log knows it at `newest`; None where nobody said so and there is no default."""
    if votes:
        worth, decisive = resolved(votes, terms.resolve)
        return Reward("attributed", worth, len(votes), decisive)
    due = default_at(inference, terms)
    if due is None:
        return None
    if newest is not None and newest >= due:
        return Reward("defaulted", terms.default_reward, 0, None)
    return Reward("pending", None, 0, None)


def terms_of(inference: Mapping[str, Any], waits: Waits) -> Mapping[str, Terms]:
    """The terms of each metric that makes rewards for an inference."""
    return policy_at(waits, inference["project_id"], inference["log_offset"]).metrics if waits else {}


def rewards(attributed: "ibis.Table", inferences: "ibis.Table", waits: Waits, newest: datetime) -> "ibis.Table":
    """`reward` of every inference (INFERENCE_SCHEMA) under every metric that makes one (REWARD_SCHEMA).

    `attributed` is the feedback (ATTRIBUTED_SCHEMA) about them, whenever it was received.
    """
    import ibis

    from feedback_loop.learning.schemas import REWARD_SCHEMA

    asked = _asked(inferences, waits)
    votes = attributed.filter(
        attributed.state == "attributed", ~attributed.is_undone, ~attributed.is_retraction, attributed.reward.notnull()
    ).select("project_id", "inference_request_id", "metric", "feedback_id", "occurred_at", "source_kind", "reward")
    keys = ["project_id", "inference_request_id", "metric"]
    resolutions = asked.select(*keys, "resolve")
    known = _resolved(votes.inner_join(resolutions, keys), keys)
    table = asked.left_join(known, keys).drop("project_id_right", "inference_request_id_right", "metric_right")
    due = table.received_at + table.wait_s.as_interval("s")
    waiting = (due <= ibis.literal(newest)).ifelse("defaulted", "pending")
    state = table.votes.isnull().ifelse(waiting, "attributed")
    table = table.mutate(state=state, votes=table.votes.fill_null(0)).filter(
        table.votes.notnull() | table.default_reward.notnull()
    )
    worth = (table.state == "defaulted").ifelse(table.default_reward, table.worth)
    return table.mutate(reward=worth).select(*REWARD_SCHEMA.names)


def _asked(inferences: "ibis.Table", waits: Waits) -> "ibis.Table":
    """One row for every inference and metric that makes a reward, with the terms that count for it."""
    import ibis

    kind = "array<struct<metric: string, wait_s: int64, default_reward: float64, resolve: string>>"
    branches = [
        (
            (inferences.project_id == project_id) & (inferences.log_offset > placed.log_offset),
            ibis.literal(_told(placed.policy), kind),
        )
        for project_id, policies in waits.items()
        for placed in reversed(policies)
    ]
    nothing = ibis.literal([], kind)
    terms = ibis.cases(*branches, else_=nothing) if branches else nothing
    given = inferences.select(
        "project_id",
        "inference_request_id",
        "model_name",
        "model_version",
        "occurred_at",
        "received_at",
        inference_offset=inferences.log_offset,
        terms=terms.unnest(),
    )
    return given.mutate(**{name: given.terms[name] for name in FIELDS}).drop("terms")


def _told(policy: AttributionPolicy) -> list[dict[str, Any]]:
    return [
        {"metric": metric, **{name: getattr(terms, name) for name in FIELDS[1:]}}
        for metric, terms in policy.metrics.items()
    ]


def _resolved(votes: "ibis.Table", keys: Sequence[str]) -> "ibis.Table":
    """`resolved` of the votes on each inference: `keys`, worth, votes and feedback_id."""
    import ibis

    votes = votes.mutate(place=ibis.row_number().over(group_by=keys, order_by=["occurred_at", "feedback_id"]))
    alike = ibis.window(group_by=[*keys, "reward"])
    votes = votes.mutate(
        alike=votes.count().over(alike),
        last_alike=votes.place.max().over(alike),
        is_reviewers=(votes.source_kind == "reviewer").cast("int64"),
        micro=(votes.reward * MICRO).round().cast("int64"),
    )
    first = ibis.cases(
        (votes.resolve == "majority", votes.alike), (votes.resolve == "reviewer_over_user", votes.is_reviewers), else_=0
    )
    then = ibis.cases(
        (votes.resolve == "majority", votes.last_alike), (votes.resolve == "first", -votes.place), else_=votes.place
    )
    votes = votes.mutate(first=first, then=then)
    order = [ibis.desc("first"), ibis.desc("then"), ibis.desc("place")]
    votes = votes.mutate(
        rank=ibis.row_number().over(group_by=keys, order_by=order),
        total=votes.micro.sum().over(group_by=keys).cast("float64"),
        said=votes.count().over(group_by=keys),
    )
    is_mean = votes.resolve == "mean"
    return votes.filter(votes["rank"] == 0).select(
        *keys,
        worth=is_mean.ifelse(votes.total / votes.said / MICRO, votes.reward),
        votes=votes.said,
        feedback_id=is_mean.ifelse(None, votes.feedback_id),
    )


def _micro(worth: float) -> int:
    """A reward, which is rounded to 6 places, as a whole number of millionths: sums of them know no order."""
    return round(worth * MICRO)
