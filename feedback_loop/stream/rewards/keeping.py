"""Keeping rewards: what a batch changes of what inferences are worth is written with its other effects."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Cursor

from feedback_loop.learning.attribution import moment
from feedback_loop.learning.policies.attribution import Waits
from feedback_loop.learning.rewards import Vote, default_at, is_vote, reward, terms_of
from feedback_loop.stream.writing import json_text

Row = Mapping[str, Any]

FORGET = """
DELETE FROM live_reward_votes v USING unnest(%s::int[], %s::text[]) AS k(project_id, feedback_id)
WHERE v.project_id = k.project_id AND v.feedback_id = k.feedback_id
"""
CAST = "INSERT INTO live_reward_votes SELECT * FROM json_populate_recordset(NULL::live_reward_votes, %s)"
VOTES = """
SELECT v.project_id, v.inference_request_id, v.metric, v.occurred_at, v.feedback_id, v.source_kind, v.reward
FROM unnest(%s::int[], %s::text[], %s::text[]) AS k(project_id, inference_request_id, metric)
JOIN live_reward_votes v
  ON v.project_id = k.project_id AND v.inference_request_id = k.inference_request_id AND v.metric = k.metric
"""
DROP = """
DELETE FROM live_rewards r USING unnest(%s::int[], %s::text[], %s::text[]) AS k(project_id, id, metric)
WHERE r.project_id = k.project_id AND r.inference_request_id = k.id AND r.metric = k.metric
"""
KEEP = "INSERT INTO live_rewards SELECT * FROM json_populate_recordset(NULL::live_rewards, %s)"
DEFAULTED = """
UPDATE live_rewards SET state = 'defaulted', reward = default_reward WHERE state = 'pending' AND due_at <= %s
"""


class Unit(NamedTuple):
    """One inference under one metric."""

    project_id: int
    inference_request_id: str
    metric: str


def keep_rewards(
    cursor: Cursor[Any],
    inferences: Iterable[Row],
    changes: Iterable[tuple[Row | None, Row, Row | None]],
    waits: Waits,
    newest: datetime,
) -> None:
    """Brings what a batch touches up to date, and ends the waits that are over at `newest`.

    `changes` are feedback before (None: it is new) and after, each with its inference. Where no project has a policy
    there is nothing to do.
    """
    if not waits:
        return
    touched: dict[Unit, Row] = {}
    votes: dict[tuple[int, str], Row | None] = {}
    for inference in inferences:
        for metric in terms_of(inference, waits):
            touched[_unit(inference, metric)] = inference
    for before, after, about in changes:
        if about is None or after["metric"] not in terms_of(about, waits):
            continue
        counts = is_vote(after)
        if counts or (before is not None and is_vote(before)):
            touched[_unit(about, after["metric"])] = about
            votes[after["project_id"], after["feedback_id"]] = after if counts else None
    _write_votes(cursor, votes)
    if touched:
        _write_rewards(cursor, touched, waits, newest)
    cursor.execute(DEFAULTED, [newest])


def _write_votes(cursor: Cursor[Any], votes: Mapping[tuple[int, str], Row | None]) -> None:
    if not votes:
        return
    cursor.execute(FORGET, ([project_id for project_id, _ in votes], [name for _, name in votes]))
    columns = ("project_id", "inference_request_id", "metric", "feedback_id", "occurred_at", "source_kind", "reward")
    cast = [{name: row[name] for name in columns} for row in votes.values() if row is not None]
    if cast:
        cursor.execute(CAST, [json_text(cast)])


def _write_rewards(cursor: Cursor[Any], touched: Mapping[Unit, Row], waits: Waits, newest: datetime) -> None:
    keys = [list(column) for column in zip(*touched, strict=True)]
    said: dict[Unit, list[Vote]] = {}
    for project_id, name, metric, *vote in cursor.execute(VOTES, keys).fetchall():
        said.setdefault(Unit(project_id, name, metric), []).append(Vote(*vote))
    cursor.execute(DROP, keys)
    rows = []
    for unit, inference in touched.items():
        terms = terms_of(inference, waits)[unit.metric]
        worth = reward(inference, said.get(unit, []), terms, newest)
        if worth is not None:
            told = {
                "inference_offset": inference["log_offset"],
                "model_name": inference["model_name"],
                "model_version": inference["model_version"],
                "occurred_at": moment(inference["occurred_at"]),
                "received_at": moment(inference["received_at"]),
                "due_at": default_at(inference, terms),
                "default_reward": terms.default_reward,
            }
            rows.append({**unit._asdict(), **told, **worth._asdict()})
    if rows:
        cursor.execute(KEEP, [json_text(rows)])


def _unit(inference: Row, metric: str) -> Unit:
    return Unit(inference["project_id"], inference["inference_request_id"], metric)
