"""How the stream is doing, for operators: where each consumer stands, whether somebody works, what was not taken."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from feedback_loop.stream.consumers import collect
from feedback_loop.stream.positions import LEASE
from feedback_loop.stream.tables import ConsumerPosition

LOOK = text("""
SELECT k.name, coalesce(p.log_offset, 0) AS log_offset, h.head,
       coalesce(extract(epoch FROM clock_timestamp() - (
           SELECT e.received_at FROM staging.known_events e WHERE e.log_offset = coalesce(p.log_offset, 0) + 1
       )), 0)::float AS lag_s,
       EXISTS (
           SELECT FROM pg_locks
           WHERE locktype = 'advisory' AND classid = :lease AND granted
             AND objid = (hashtext(k.name)::bigint & 4294967295)::oid
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS is_running,
       coalesce(p.epoch, 0) AS epoch,
       p.updated_at,
       (SELECT count(*) FROM dead_letters d WHERE d.consumer = k.name) AS dead_letters
FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS k(name, place)
CROSS JOIN (SELECT max(next_offset) - 1 AS head FROM staging.log_head) h
LEFT JOIN consumer_positions p ON p.name = k.name
ORDER BY k.place
""")
BESIDE = text("""
SELECT (SELECT coalesce(max(change_id), 0) FROM attribution_changes),
       (SELECT count(*) FROM live_feedback WHERE state = 'pending'),
       (SELECT count(DISTINCT log_offset) FROM dead_letters)
""")


class ConsumerStatus(NamedTuple):
    """`log_offset`: the last event processed of `head`; every one up to it is in its tables or a dead letter.

    `lag_s`: how long the oldest unprocessed event has waited, 0 at the end of the log; `is_running`: some process holds
    its lease; `epoch`: how often it was taken over; `updated_at`: None before its first process.
    """

    name: str
    log_offset: int
    head: int
    lag_s: float
    is_running: bool
    epoch: int
    updated_at: datetime | None
    dead_letters: int

    @property
    def lag(self) -> int:
        """How many events are not processed yet."""
        return self.head - self.log_offset


class StreamStatus(NamedTuple):
    """All consumers together: as far as the hindmost, and running while each has somebody who works as it.

    `attribution_changes`: how many there were; `pending`: how many feedback wait for their inference; `dead_letters`:
    how many events some consumer could not take.
    """

    consumers: list[ConsumerStatus]
    attribution_changes: int
    pending: int
    dead_letters: int

    @property
    def hindmost(self) -> ConsumerStatus:
        """The consumer with most before it."""
        return min(self.consumers, key=lambda consumer: consumer.log_offset)

    @property
    def log_offset(self) -> int:
        """Every event up to here is in all tables or a dead letter."""
        return self.hindmost.log_offset

    @property
    def lag(self) -> int:
        """How many events some consumer has not processed yet."""
        return self.hindmost.lag

    @property
    def lag_s(self) -> float:
        """How long the oldest event has waited that some consumer has not processed."""
        return self.hindmost.lag_s

    @property
    def is_running(self) -> bool:
        """Whether each consumer has somebody who works as it."""
        return all(consumer.is_running for consumer in self.consumers)


def consumers(session: Session) -> list[ConsumerStatus]:
    """Every consumer of the stream, in the order in which they work."""
    rows = session.execute(LOOK, {"lease": LEASE, "names": list(collect())})
    return [ConsumerStatus(*row) for row in rows]


def position_of(session: Session, consumer: str) -> int:
    """The last offset whose effects this consumer has written; 0 before its first."""
    standing = session.get(ConsumerPosition, consumer, populate_existing=True)
    return 0 if standing is None else standing.log_offset


def status(session: Session) -> StreamStatus:
    """The stream's state in the session's database."""
    return StreamStatus(consumers(session), *session.execute(BESIDE).one())
