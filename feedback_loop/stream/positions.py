"""Where each consumer stands in the log: a row each, moved in the transaction of the effects, fenced by an epoch."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection, Cursor

from feedback_ingest.errors import FeedbackError

LEASE = 0x73747265  # "stre": the class of the advisory locks; who holds a consumer's may work as that consumer
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
TAKE_OVER = """
INSERT INTO consumer_positions AS p (name, epoch, log_offset, decided_offset, updated_at)
SELECT name, 1, 0, 0, %s FROM unnest(%s::text[]) AS k(name)
ON CONFLICT (name) DO UPDATE SET epoch = p.epoch + 1, updated_at = excluded.updated_at
RETURNING name, epoch, log_offset, decided_offset
"""
PLACE = "UPDATE consumer_positions SET log_offset = %s, decided_offset = %s WHERE name = %s AND epoch = %s"
ADVANCE = """
UPDATE consumer_positions p
SET log_offset = %s, decided_offset = greatest(p.decided_offset, %s), updated_at = %s
FROM unnest(%s::text[], %s::bigint[]) AS k(name, epoch)
WHERE p.name = k.name AND p.epoch = k.epoch AND p.log_offset = %s
"""


class Fenced(FeedbackError):
    """Another process works on this stream; this one must not commit."""


class Standing(NamedTuple):
    """A consumer's place: the last offset whose effects are committed, under this holder's epoch.

    Up to `decided_offset` it has been before, so its decisions stand in the log; a rebuild leaves it where it is.
    """

    epoch: int
    log_offset: int
    decided_offset: int


def try_lease(connection: Connection[Any], names: Iterable[str]) -> bool:
    """Whether this connection now works as all of `names`; all is given back when it ends, however it ends.

    A holder that is frozen, or on a machine that is gone, still has its connection: it is ended here, by the database.
    """
    for name in sorted(names):
        row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (LEASE, name)).fetchone()
        if not (row and row[0]):
            connection.execute("SELECT pg_advisory_unlock_all()")
            connection.execute(OUST, (LEASE, name, SILENT_S))
            connection.commit()
            return False
    connection.commit()
    return True


def take_over(connection: Connection[Any], names: Sequence[str], now: datetime) -> dict[str, Standing]:
    """Raises the epochs, which fences every earlier holder; a consumer that is new stands before the first event."""
    rows = connection.execute(TAKE_OVER, (now, list(names))).fetchall()
    connection.commit()
    return {name: Standing(*standing) for name, *standing in rows}


def place(connection: Connection[Any], standings: Mapping[str, Standing]) -> None:
    """Puts each where it is to stand, under the epoch it has."""
    for name, (epoch, log_offset, decided_offset) in standings.items():
        connection.execute(PLACE, (log_offset, decided_offset, name, epoch))
    connection.commit()


def advance(cursor: Cursor[Any], moving: Mapping[str, Standing], after: int, now: datetime) -> dict[str, Standing]:
    """Moves those of `moving`, who stand at one place, to `after` inside the caller's transaction; where they stand
    then. Raises Fenced where another epoch or place is found."""
    (place,) = {standing.log_offset for standing in moving.values()}
    epochs = [standing.epoch for standing in moving.values()]
    cursor.execute(ADVANCE, (after, after, now, list(moving), epochs, place))
    if cursor.rowcount != len(moving):
        raise Fenced()
    return {
        name: Standing(standing.epoch, after, max(standing.decided_offset, after)) for name, standing in moving.items()
    }


def places(connection: Connection[Any], names: Sequence[str]) -> dict[str, int]:
    """The last offset of each, 0 for one that has never worked."""
    if not names:
        return {}
    found = connection.execute("SELECT name, log_offset FROM consumer_positions WHERE name = ANY(%s)", (list(names),))
    return dict.fromkeys(names, 0) | dict(found.fetchall())
