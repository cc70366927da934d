"""Where the stream stands in the log: one row, moved in the transaction of the effects, fenced by an epoch."""

from datetime import datetime
from typing import Any

from psycopg import Connection, Cursor

from feedback_ingest.errors import FeedbackError

NAME = "stream"
"""The row of consumer_positions, and the name of the lease."""
LEASE = 0x73747265  # "stre": the advisory lock whose holder may work
SILENT_S = 3
"""A holder that says nothing to the database for so long is taken for dead; one at work looks every stream_poll_ms."""

OUST = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pid IN (
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %s AND objid = (hashtext(%s)::bigint & 4294967295)::oid AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND (state LIKE 'idle%%' OR wait_event_type = 'Client')
  AND state_change < clock_timestamp() - make_interval(secs => %s)
"""


class Fenced(FeedbackError):
    """Another process works on this stream; this one must not commit."""


def try_lease(connection: Connection[Any], name: str) -> bool:
    """Whether this connection now holds the lease; it is given back when the connection ends, however it ends.

    A holder that is frozen, or on a machine that is gone, still has its connection: it is ended here, by the database.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (LEASE, name)).fetchone()
    connection.commit()
    if row and row[0]:
        return True
    connection.execute(OUST, (LEASE, name, SILENT_S))
    connection.commit()
    return False


def take_over(connection: Connection[Any], name: str, now: datetime) -> tuple[int, int]:
    """Raises the epoch, which fences every earlier holder; returns (epoch, log_offset of the last event processed)."""
    row = connection.execute(
        "INSERT INTO consumer_positions AS p (name, epoch, log_offset, updated_at) VALUES (%s, 1, 0, %s) "
        "ON CONFLICT (name) DO UPDATE SET epoch = p.epoch + 1, updated_at = excluded.updated_at "
        "RETURNING epoch, log_offset",
        (name, now),
    ).fetchone()
    connection.commit()
    assert row is not None
    return row[0], row[1]


def advance(cursor: Cursor[Any], name: str, epoch: int, before: int, after: int, now: datetime) -> None:
    """Moves the position inside the caller's transaction; raises Fenced where another epoch or position stands."""
    cursor.execute(
        "UPDATE consumer_positions SET log_offset = %s, updated_at = %s "
        "WHERE name = %s AND epoch = %s AND log_offset = %s",
        (after, now, name, epoch, before),
    )
    if cursor.rowcount != 1:
        raise Fenced()
