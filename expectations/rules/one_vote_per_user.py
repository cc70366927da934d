"""One person has one vote of a type on one inference: the last one counts, the earlier ones are set aside."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity

if TYPE_CHECKING:
    import ibis

VOTE = ("project_id", "user_ref", "inference_request_id", "feedback_type", "is_vote")


class OneVotePerUser(RowRule):
    """Counts the votes that the same user cast later. What retracts or edits is no second vote: it undoes the first."""

    name: ClassVar[str] = "one_vote_per_user"
    description: ClassVar[str] = "An end user votes once per inference and type; of several in a day the last counts."
    severity: ClassVar[Severity] = "warning"
    column: ClassVar[str] = "later_votes"
    maximum: ClassVar[float | None] = 0
    mostly: ClassVar[float] = 0.8  # people do change their minds

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `later_votes` among the rows under judgement; empty where no end user is known, or where it undoes."""
        import ibis

        is_vote = rows.user_ref.notnull() & (rows.source_kind == "end_user") & rows.target_feedback_id.isnull()
        votes = rows.mutate(is_vote=is_vote)
        later = ibis.row_number().over(group_by=list(VOTE), order_by=votes.log_offset.desc())
        return votes.mutate(later_votes=votes.is_vote.ifelse(later, None)).drop("is_vote")
