"""Rebuilding: every live table is thrown away and read from the log again; decisions are read back, not made again."""

import psycopg
from psycopg import Connection
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import load_pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import positions
from feedback_loop.stream.positions import NAME
from feedback_loop.stream.process import SESSION, leading

TABLES = "live_inferences, live_feedback, attribution_changes, live_metrics, alerts, training_examples, dead_letters"
RESET = "UPDATE consumer_positions SET log_offset = 0, updated_at = %s WHERE name = %s"
DECIDED = """
INSERT INTO consumer_positions (name, epoch, log_offset, updated_at) VALUES ('alerts', 0, %s, %s)
ON CONFLICT (name) DO UPDATE SET log_offset = excluded.log_offset
"""


def rebuild(database: Database, settings: Settings) -> int:
    """Empties the live tables and replays the log from offset 1; the offset reached. Raises Fenced while one works."""
    pepper = load_pepper(settings)
    with psycopg.connect(database.asyncpg_dsn, options=SESSION) as connection:
        if not positions.try_lease(connection, NAME):
            raise positions.Fenced()
        forget(database, connection)
        with leading(database, connection, settings, pepper) as stream:
            while stream.step():
                pass
            return stream.position


def forget(database: Database, connection: Connection[tuple[object, ...]]) -> None:
    """Empties the live tables and sets the position to 0, for the holder of the lease.

    What the log holds now has been decided: an alert in it is read back, one that is not was not raised.
    """
    with Session(database.engine) as session:
        head = log.head(session)
    now = utc_now()
    connection.execute(f"TRUNCATE {TABLES}")
    connection.execute(RESET, (now, NAME))
    connection.execute(DECIDED, (head, now))
    connection.commit()
