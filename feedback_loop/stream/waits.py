"""Waits: the time as the log tells it, the policies that say how long to wait, and what falls due without an event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from psycopg import Cursor

from feedback_ingest.decisions import POLICY_SET
from feedback_ingest.log import LogRow
from feedback_loop.learning.policies import Placed
from feedback_loop.learning.policies.attribution import AttributionPolicy, Waits
from feedback_loop.stream.writing import json_text

TIME_PASSED = "time_passed"
"""The fact that a moment came at which something was due, where no other event tells the time."""

LEARN = "INSERT INTO live_waits SELECT * FROM json_populate_recordset(NULL::live_waits, %s) ON CONFLICT DO NOTHING"
KNOWN = """
SELECT (SELECT received_at FROM live_clock),
       (SELECT json_agg(w ORDER BY w.log_offset) FROM live_waits w)
"""
KEEP = """
INSERT INTO live_clock AS c (clock, received_at) VALUES (1, %s)
ON CONFLICT (clock) DO UPDATE SET received_at = excluded.received_at WHERE c.received_at < excluded.received_at
"""
DUE = "SELECT row FROM live_feedback WHERE state = 'pending' AND due_at <= %s ORDER BY due_at, log_offset"
NEXT_DUE = """
SELECT project_id, due_at FROM (
    (SELECT project_id, due_at FROM live_feedback WHERE state = 'pending' ORDER BY due_at LIMIT 1)
    UNION ALL
    (SELECT project_id, due_at FROM live_rewards WHERE state = 'pending' ORDER BY due_at LIMIT 1)) d
ORDER BY due_at LIMIT 1
"""


class Due(NamedTuple):
    """Something of a project that falls due at a moment, in time of receipt."""

    project_id: int
    at: datetime


class Times(NamedTuple):
    """What is known before a batch: the newest receipt, None before the first event, and every project's policies."""

    newest: datetime | None
    waits: Waits


def times(cursor: Cursor[Any], rows: Sequence[LogRow]) -> Times:
    """What is known before the batch of `rows`, whose own policies are learnt first: each says from where it counts."""
    told = [
        {"project_id": row.project_id, "log_offset": row.log_offset, "policy": row.body["policy"]}
        for row in rows
        if row.kind == POLICY_SET and row.body["subject"] == AttributionPolicy.name
    ]
    if told:
        cursor.execute(LEARN, [json_text(told)])
    found = cursor.execute(KNOWN).fetchone()
    newest, known = found or (None, None)
    waits: dict[int, list[Placed]] = {}
    for each in known or ():
        policy = _read(each["policy"])
        if policy is not None:
            waits.setdefault(each["project_id"], []).append(Placed(policy, each["log_offset"]))
    return Times(newest, waits)


def keep(cursor: Cursor[Any], newest: datetime | None) -> None:
    """Keeps the newest receipt for the next batch."""
    if newest is not None:
        cursor.execute(KEEP, [newest])


def due(cursor: Cursor[Any], newest: datetime) -> list[dict[str, Any]]:
    """The feedback whose wait is over by then, in the order in which it fell due."""
    return [row for (row,) in cursor.execute(DUE, [newest]).fetchall()]


def next_due(cursor: Cursor[Any]) -> Due | None:
    """What falls due next; None while nothing waits."""
    row = cursor.execute(NEXT_DUE).fetchone()
    return None if row is None or row[1] is None else Due(*row)


def _read(policy: dict[str, Any]) -> AttributionPolicy | None:
    """The policy; None for one that another version of the program wrote and this one cannot read."""
    try:
        return msgspec.convert(policy, AttributionPolicy)
    except msgspec.ValidationError:
        return None
