"""What the stream costs with millions of events in the log and in its tables, against an empty log, by turns."""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

from feedback_ingest import migrate
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up, leading

SEED = 2_000
"""So many events are really taken; those that fill the log are copies of their rows under other names."""
CHUNK = 6_000
GROWING = (
    "staging.event_keys", "staging.feedback_events", "live_inferences", "live_feedback", "attribution_changes",
    "live_enrichments", "training_examples",
)  # fmt: skip
COLUMNS = text("""
SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a
WHERE a.attrelid = CAST(:name AS regclass) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
""")
COUNTED = ("log_offset", "cause_offset", "feedback_offset", "inference_offset", "change_id")

Append = Callable[[Database, Settings, int, int], None]
"""Appends so many events whose names are numbered from the last argument on."""


def full_log_ratios(data_dir: Path, size: int, rounds: int, append: Append) -> list[float]:
    """Seconds for a chunk with `size` events in the log over those with none, for each round."""
    settings = Settings(data_dir=data_dir, database_url=None, accuracy_floor=0)
    server = open_database(settings)
    full, empty = (server.sibling(f"{name}_{uuid4().hex[:6]}") for name in ("full", "empty"))
    for database in (full, empty):
        migrate.upgrade(database)
    append(full, settings, SEED, 0)
    catch_up(full, settings)
    for table in GROWING:
        multiply(full, table, size // SEED)
    _settle(full, size)
    found = []
    for turn in range(rounds):
        told = {}
        for database in (full, empty) if turn % 2 else (empty, full):
            append(database, settings, CHUNK, 10**7 + turn * CHUNK)
            told[database] = _seconds(database, settings)
        found.append(told[full] / told[empty])
    for database in (full, empty, server):
        database.close()
    return found


def multiply(database: Database, table: str, times: int) -> None:
    """Fills a table with copies: numbers count on, and every name, wherever it stands, becomes another."""
    with database.engine.begin() as connection:
        if table.startswith("staging."):
            connection.execute(text(f"SELECT staging.ensure_partitions({SEED * (times + 1)})"))
        columns = connection.execute(COLUMNS, {"name": table}).all()
        values = ", ".join(_copied(name, kind) for name, kind in columns)
        names = ", ".join(name for name, _ in columns)
        connection.exec_driver_sql(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM generate_series(1, {times - 1}) k, "
            f"(SELECT * FROM {table} ORDER BY 1) seed"
        )


def _copied(column: str, kind: str) -> str:
    if column == "change_id":
        return f"{column} + k * (SELECT max(change_id) FROM attribution_changes)"
    if column in COUNTED:
        return f"{column} + k * {SEED}"
    if kind.startswith(("text", "char", "json")):
        apart = f"replace({column}::text, 'log-', 'log' || k || '-')"
        return f"replace({apart}, '-9000-', '-' || to_hex(40960 + k) || '-')::{kind}"
    return column


def _settle(database: Database, size: int) -> None:
    """Head and places after what was filled in; nothing of the filling is left to be done later."""
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE staging.log_head SET next_offset = {size + 1}"))
        connection.execute(text(f"UPDATE consumer_positions SET log_offset = {size}, decided_offset = {size}"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
        connection.execute(text("CHECKPOINT"))


def _seconds(database: Database, settings: Settings) -> float:
    """How long the stream takes to reach the head of the log."""
    with leading(database, settings) as stream:
        began = time.perf_counter()
        while stream.step():
            pass
        return time.perf_counter() - began
