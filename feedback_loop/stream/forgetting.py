"""Forgetting: live tables are emptied, so that they are read from the log again; decisions are not made again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from feedback_loop.stream.consumers import collect

# What the log holds now has been decided: a decision in it is read back, one that is not was not made. Who relays goes
# on from where it had come to; where nobody knows that, the log as it is has been relayed.
RESET = """
INSERT INTO consumer_positions AS p (name, epoch, log_offset, decided_offset, updated_at)
SELECT k.name, 1, 0, h.head, %s FROM unnest(%s::text[]) AS k(name)
CROSS JOIN (SELECT max(next_offset) - 1 FROM staging.log_head) h(head)
ON CONFLICT (name) DO UPDATE
SET epoch = p.epoch + 1, log_offset = 0, updated_at = excluded.updated_at,
    decided_offset = CASE WHEN p.name = ANY(%s) THEN p.decided_offset ELSE excluded.decided_offset END
"""


def forget(connection: Connection[Any], names: Sequence[str], now: datetime) -> None:
    """Empties the consumers' tables and sends them back before the first event, for the holder of their leases."""
    tables = [str(table.__tablename__) for name in names for table in collect()[name].tables]
    if tables:
        connection.execute(f"TRUNCATE {', '.join(tables)}")
    connection.execute("DELETE FROM dead_letters WHERE consumer = ANY(%s)", (list(names),))
    relaying = [name for name in names if collect()[name].relays]
    connection.execute(RESET, (now, list(names), relaying))
    connection.commit()
