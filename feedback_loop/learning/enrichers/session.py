"""Where in its session a feedback stands, and what was said in that session before."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.enrichers._base import HistoryEnricher, Row
from feedback_loop.learning.influence import LIKING

if TYPE_CHECKING:
    import ibis

HALF = 0.5
"""A thumb or a rating with a reward below it is a negative."""


class Session(HistoryEnricher):
    """session_position (from 1), the thumbs down and bad ratings before it, and the seconds since the signal before.

    The order is that of the log: what comes later changes nothing of what was before. Null without a session_id.
    """

    name: ClassVar[str] = "session"
    columns: ClassVar[tuple[str, ...]] = ("session_position", "session_earlier_negatives", "session_gap_s")

    def enrich(self, feedback: Row, earlier: Sequence[Row]) -> dict[str, Any]:
        """The three columns of one feedback row."""
        mine = feedback["project_id"], feedback["session_id"]
        if feedback["session_id"] is None:
            return dict.fromkeys(self.columns)
        before = [row for row in earlier if (row["project_id"], row["session_id"]) == mine]
        negatives = sum(1 for row in before if is_negative(row))
        gap_s = (feedback["received_at"] - before[-1]["received_at"]).total_seconds() if before else None
        return dict(zip(self.columns, (len(before) + 1, negatives, gap_s), strict=True))

    def expression(self, feedback: "ibis.Table", every: "ibis.Table") -> "ibis.Table":
        """The same of every row of a session that `feedback` is of."""
        import ibis

        of_sessions = every.filter(every.session_id.notnull()).semi_join(
            feedback.filter(feedback.session_id.notnull()), ["project_id", "session_id"]
        )
        negative = (of_sessions.feedback_type.isin(LIKING) & (of_sessions.reward < HALF)).fill_null(False)
        marked = of_sessions.mutate(negative=negative.cast("int64"))
        place = ibis.window(group_by=["project_id", "session_id"], order_by="log_offset")
        before = ibis.window(
            group_by=["project_id", "session_id"], order_by="log_offset", preceding=(None, 1), following=None
        )
        gap_us = marked.received_at.delta(marked.received_at.lag().over(place), unit="microsecond")
        return marked.select(
            "log_offset",
            session_position=(ibis.row_number().over(place) + 1).cast("int64"),
            session_earlier_negatives=marked.negative.sum().over(before).fill_null(0).cast("int64"),
            session_gap_s=gap_us / 1e6,
        )


def is_negative(row: Row) -> bool:
    """Whether somebody said by it that an answer was bad."""
    return row["feedback_type"] in LIKING and row["reward"] is not None and row["reward"] < HALF
