"""A log of small partitions, so that a test can seal some of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.postgres import Database
from feedback_ingest.sealed.sealing import PARTITIONS, seal, sealable

EMPTY = """
TRUNCATE staging.event_keys, staging.sealed_segments, staging.sealed_events;
UPDATE staging.log_head SET next_offset = 1, partition_end = 1, partition_rows = {rows}
"""
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def small_partitions(database: Database, rows: int) -> None:
    """Empties the log; from now on a partition holds `rows` offsets."""
    with database.engine.begin() as connection:
        for name, _ in connection.execute(PARTITIONS).all():
            connection.execute(text(f'DROP TABLE staging."{name}"'))
        connection.exec_driver_sql(EMPTY.format(rows=rows))


def seal_all(database: Database, folder: Path, before: datetime = FAR) -> list[int]:
    """Seals what is full and was received before; the last offset of each segment."""
    now = FAR - timedelta(days=1)
    with Session(database.engine) as session:
        return [seal(session, partition, folder, now).last_offset for partition in sealable(session, before)]
