"""Bare COPY of the rows that the door stores, into tables with the same columns and indexes: the limit of a batch."""

import json
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import asyncpg

TABLES = """
CREATE TABLE copied_events (LIKE staging.feedback_events INCLUDING ALL);
CREATE TABLE copied_keys (LIKE staging.event_keys INCLUDING ALL);
"""
EVENT_COLUMNS = (
    "log_offset", "project_id", "kind", "id", "received_at", "occurred_at", "inference_request_id", "model_version",
    "feedback_type", "feedback_value", "user_context", "body",
)  # fmt: skip
KEY_COLUMNS = ("project_id", "kind", "id", "fingerprint", "log_offset")


async def copied_per_s(dsn: str, events: Iterator[bytes], seconds: float, batch: int) -> float:
    """Rows a second over one connection, `batch` a transaction; only the transactions are timed, not making rows."""
    connection: Any = await asyncpg.connect(dsn)
    offset = await connection.fetchval("SELECT coalesce(max(log_offset), 0) + 1 FROM copied_events")
    done, spent = 0, 0.0
    while spent < seconds:
        rows, keys = _rows(islice(events, batch), offset + done)
        began = time.perf_counter()
        async with connection.transaction():
            await connection.copy_records_to_table("copied_keys", records=keys, columns=KEY_COLUMNS)
            await connection.copy_records_to_table("copied_events", records=rows, columns=EVENT_COLUMNS)
        spent += time.perf_counter() - began
        done += batch
    await connection.close()
    return done / spent


def _rows(events: Iterator[bytes], offset: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    now = datetime.now(UTC)
    rows: list[tuple[Any, ...]] = []
    keys: list[tuple[Any, ...]] = []
    for place, raw in enumerate(events, offset):
        event = json.loads(raw)
        name, kind = event["feedback_id"], event["feedback_type"]
        value, context = json.dumps(event["feedback_value"]), json.dumps(event["user_context"])
        asked = (event["inference_request_id"], event["model_version"])
        rows.append((place, 1, "feedback", name, now, now, *asked, kind, value, context, raw.decode()))
        keys.append((1, "feedback", name, secrets.token_bytes(32), place))
    return rows, keys
