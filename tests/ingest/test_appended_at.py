"""Each fact tells when it was written, in the partitions that were there and in those that came later."""

from datetime import timedelta

from sqlalchemy import text
from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.tables import FeedbackEvent


def test_the_log_tells_when_a_fact_was_written(database: Database, pepper: Pepper) -> None:
    """After its receipt, before the writer went on, and one fact after the other."""
    received = utc_now()
    with Session(database.engine) as session:
        session.execute(text("UPDATE staging.log_head SET partition_rows = 2"))
        for n in range(5):
            log.append(session, [Fact(1, "feedback", f"f-{n}", {"a": 1}, received)], received, pepper)
        session.commit()
        wanted = select(FeedbackEvent.appended_at).order_by(col(FeedbackEvent.log_offset))
        times = [moment for moment in session.exec(wanted) if moment is not None]

    assert len(times) == 5 and times == sorted(times)
    assert received - timedelta(seconds=1) < times[0] and times[-1] <= utc_now()
