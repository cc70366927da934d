"""Whom the graph listens to: what was decided of end users, as the log says up to an offset."""

from typing import TYPE_CHECKING

from sqlmodel import Session

from feedback_assets import facts
from feedback_loop.learning.trust.budgets import uncounted
from feedback_loop.learning.trust.standings import KINDS, Verdict, silenced, trusted, verdict_of

if TYPE_CHECKING:
    import ibis


def verdicts(session: Session, upto_offset: int | None = None) -> list[Verdict]:
    """Every decision about an end user, in order."""
    return [verdict_of(row) for row in facts.read(session, KINDS, upto_offset)]


def heard(feedback: "ibis.Table", session: Session, upto_offset: int) -> "ibis.Table":
    """The rows of users who are listened to as of an offset, with `trust`, what they weigh."""
    return trusted(feedback, verdicts(session, upto_offset))


def counted(enriched: "ibis.Table", feedback: "ibis.Table", votes_a_day: int, decided: list[Verdict]) -> "ibis.Table":
    """The rows of `enriched` that count in rolling metrics, given all `feedback` that came (FEEDBACK_SCHEMA)."""
    kept = enriched.anti_join(uncounted(feedback, votes_a_day), "log_offset") if votes_a_day else enriched
    return kept.anti_join(silenced(feedback, decided), "log_offset") if decided else kept
