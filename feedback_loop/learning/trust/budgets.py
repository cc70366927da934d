"""Budgets: how many votes of one end user and UTC day of receipt count in a rolling metric, whoever they are.

The first of a day count, in the order of the log, so that what counted once counts for ever and every reader agrees:
the function serves the stream, the expression partitions of millions. Among fewer than COMPANY users nobody is bounded:
whoever tries the loop out, or is its only user, crowds nobody out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.influence import actor, actor_of
from feedback_loop.learning.trust.profiles import DAY_S, day_of, seconds_of

if TYPE_CHECKING:
    import ibis

NO_VOTES = ("ground_truth", "retraction", "review_label")
"""What turned out to be true, what takes back, and what reviewers say: counted whoever sends it."""

SHOWN = "exposure"
SHOWN_FOR_A_VOTE = 25
"""Exposures of one person and day that count for each vote that does: people see more than they say."""

COMPANY = 20
"""Users who spoke on the day, or on the day before, from whom on votes have an end and users are judged."""

Row = Mapping[str, Any]


@dataclass(slots=True)
class Company:
    """The first COMPANY users of a day of receipt, and the offset of the event with which they were so many."""

    actors: list[str] = field(default_factory=list)
    full_offset: int | None = None

    def meet(self, actor: str, log_offset: int) -> bool:
        """Takes somebody who speaks, in the order of the log; whether that is news."""
        if self.full_offset is not None or actor in self.actors:
            return False
        self.actors.append(actor)
        self.full_offset = log_offset if len(self.actors) == COMPANY else None
        return True

    def is_met(self, log_offset: int) -> bool:
        """Whether so many had spoken before that event."""
        return self.full_offset is not None and log_offset > self.full_offset


class Purse(NamedTuple):
    """What a feedback is paid from: a person's votes of a day, or what they were shown on it."""

    project_id: int
    actor: str
    day: int
    is_shown: bool

    def holds(self, place: int, votes_a_day: int) -> bool:
        """Whether the feedback at that place of its purse (the first is 1) counts; `votes_a_day` 0 knows no end."""
        return not votes_a_day or place <= votes_a_day * (SHOWN_FOR_A_VOTE if self.is_shown else 1)


def purse_of(row: Row) -> Purse | None:
    """The purse of a feedback row (FEEDBACK_SCHEMA); None for one that always counts."""
    voter = actor_of(row)
    if voter is None or row["feedback_type"] in NO_VOTES:
        return None
    return Purse(row["project_id"], voter, day_of(row["received_at"]), row["feedback_type"] == SHOWN)


def uncounted(feedback: "ibis.Table", votes_a_day: int) -> "ibis.Table":
    """The log_offset of every feedback (FEEDBACK_SCHEMA, all that came) for which nothing was left."""
    import ibis

    table = _paid(feedback)
    place = ibis.row_number().over(group_by=["project_id", "voter", "day", "is_shown"], order_by="log_offset")
    table = table.mutate(place=place).left_join(_bounded(table), ["project_id", "day"], rname="b_{name}")
    most = ibis.ifelse(table.is_shown, votes_a_day * SHOWN_FOR_A_VOTE, votes_a_day)
    is_over = (table.place >= most) & (table.log_offset > table.since) & (votes_a_day > 0)
    return table.filter(is_over.fill_null(False)).select("log_offset")


def in_company(feedback: "ibis.Table") -> set[int]:
    """The projects in which at least COMPANY users spoke on one day."""
    table = _paid(feedback)
    return set(_full(table).select("project_id").distinct().to_pyarrow()["project_id"].to_pylist())


def _paid(feedback: "ibis.Table") -> "ibis.Table":
    """What is paid from a purse, with the purse."""
    is_shown = feedback.feedback_type == SHOWN
    table = feedback.mutate(voter=actor(feedback), day=seconds_of(feedback.received_at) // DAY_S, is_shown=is_shown)
    return table.filter(table.voter.notnull(), table.feedback_type.notin(NO_VOTES))


def _full(table: "ibis.Table") -> "ibis.Table":
    """By project and day the offset with which COMPANY users had spoken."""
    import ibis

    firsts = table.group_by(["project_id", "day", "voter"]).agg(first_offset=table.log_offset.min())
    place = ibis.row_number().over(group_by=["project_id", "day"], order_by="first_offset")
    firsts = firsts.mutate(place=place)
    return firsts.filter(firsts.place == COMPANY - 1).select("project_id", "day", since="first_offset")


def _bounded(table: "ibis.Table") -> "ibis.Table":
    """By project and day the offset from which on votes have an end: by the company of the day or of the one before."""
    import ibis

    full = _full(table)
    either = ibis.union(full, full.mutate(day=full.day + 1))
    return either.group_by(["project_id", "day"]).agg(since=either.since.min())
