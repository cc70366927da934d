"""Nobody gives feedback faster than a person can: what one user says in a faster minute is set aside."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity

if TYPE_CHECKING:
    import ibis


class UserVolumeIsHuman(RowRule):
    """Counts by the minute of event time, so that a backlog that is imported in a second breaks nothing.

    It is a warning because one person must not be able to hold back everybody's day.
    """

    name: ClassVar[str] = "user_volume_is_human"
    description: ClassVar[str] = "An end user gives at most 120 feedback a minute; all of a faster minute is set aside."
    severity: ClassVar[Severity] = "warning"
    column: ClassVar[str] = "user_feedback_in_minute"
    maximum: ClassVar[float | None] = 120

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `user_feedback_in_minute`; empty where no end user is known."""
        minutes = rows.mutate(minute=rows.occurred_at.truncate("m"))
        count = minutes.count().over(group_by=["project_id", "user_ref", "source_kind", "minute"])
        is_user = minutes.user_ref.notnull() & (minutes.source_kind == "end_user")
        return minutes.mutate(user_feedback_in_minute=is_user.ifelse(count, None)).drop("minute")
