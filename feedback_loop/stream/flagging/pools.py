"""Pools: of which answers a batch is chosen, as the log tells at an offset, so that a rebuild chooses alike."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from psycopg import Cursor
from sqlmodel import Session

from feedback_ingest import log
from feedback_loop.learning.active_learning import chosen
from feedback_loop.learning.review_policies import ReviewPolicy
from feedback_loop.learning.rows import inference_row

LOOKED_AT = 50_000
"""How far back in the log a pool is looked for."""
READ = 4
"""So many times the pool is read, for what is left out of it."""
OFFSETS = """
SELECT log_offset FROM staging.known_events
WHERE log_offset > %s AND log_offset <= %s AND project_id = %s AND kind = 'inference'
ORDER BY log_offset DESC LIMIT %s
"""
FLAGGED = """
SELECT inference_request_id FROM review_flags
WHERE project_id = %s AND policy_id = %s AND inference_request_id = ANY(%s)
"""


class Occasion(NamedTuple):
    """Of what a batch is chosen: a project's answers up to an offset, of one model where one is named."""

    project_id: int
    model_name: str | None
    upto_offset: int


def batch(
    cursor: Cursor[Any], session: Session, policy: ReviewPolicy, occasion: Occasion, besides: Collection[str]
) -> list[Mapping[str, Any]]:
    """The answers (INFERENCE_SCHEMA) that the policy has people look at on an occasion, the best first.

    None that it flagged before, or that are among `besides`.
    """
    project_id, model_name, upto = occasion
    given = (upto - LOOKED_AT, upto, project_id, READ * policy.pool_size)
    offsets = [row[0] for row in cursor.execute(OFFSETS, given).fetchall()]
    found = log.at(session, offsets)
    rows = [row for offset in offsets if offset in found and (row := inference_row(found[offset])) is not None]
    mine = [row for row in rows if model_name in (None, row["model_name"]) and policy.covers(row)]
    pool = mine[: policy.pool_size]
    names = [row["inference_request_id"] for row in pool]
    known = {row[0] for row in cursor.execute(FLAGGED, (project_id, policy.policy_id, names)).fetchall()}
    known |= set(besides)
    pool = [row for row in pool if row["inference_request_id"] not in known]
    return [pool[place] for place in chosen(pool, policy.batch_size)]
