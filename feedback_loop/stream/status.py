"""How the stream is doing, for operators: where it stands, whether somebody works, what it could not take."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from feedback_loop.stream.positions import LEASE, NAME

LOOK = text("""
SELECT coalesce(p.log_offset, 0) AS log_offset,
       h.head,
       coalesce(extract(epoch FROM clock_timestamp() - (
           SELECT e.received_at FROM staging.feedback_events e WHERE e.log_offset = coalesce(p.log_offset, 0) + 1
       )), 0)::float AS lag_s,
       EXISTS (
           SELECT FROM pg_locks
           WHERE locktype = 'advisory' AND classid = :lease AND granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS is_running,
       coalesce(p.epoch, 0) AS epoch,
       p.updated_at,
       (SELECT coalesce(max(change_id), 0) FROM attribution_changes) AS attribution_changes,
       (SELECT count(*) FROM live_feedback WHERE state = 'pending') AS pending,
       (SELECT count(DISTINCT log_offset) FROM dead_letters) AS dead_letters
FROM (SELECT max(next_offset) - 1 AS head FROM staging.log_head) h
LEFT JOIN consumer_positions p ON p.name = :name
""")


class StreamStatus(NamedTuple):
    """`log_offset`: the last event processed of `head`; every one up to it is in the tables or a dead letter.

    `lag_s`: how long the oldest unprocessed event has waited, 0 at the end of the log; `is_running`: some process holds
    the lease; `epoch`: how often the stream was taken over; `attribution_changes`: how many there were, and
    `pending`: how many feedback wait for their inference.
    """

    log_offset: int
    head: int
    lag_s: float
    is_running: bool
    epoch: int
    updated_at: datetime | None
    attribution_changes: int
    pending: int
    dead_letters: int

    @property
    def lag(self) -> int:
        """How many events are not processed yet."""
        return self.head - self.log_offset


def status(session: Session) -> StreamStatus:
    """The stream's state in the session's database."""
    return StreamStatus(*session.execute(LOOK, {"lease": LEASE, "name": NAME}).one())
