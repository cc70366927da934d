"""What projects demanded up to an offset, from the log, and the feedback that is held because it breaks that."""

from collections.abc import Collection
from typing import Any

from psycopg import Cursor
from sqlmodel import Session

from feedback_ingest.decisions import of_kinds
from feedback_loop.learning.demands import KINDS, Demands

HELD = "SELECT row FROM live_feedback WHERE project_id = ANY(%s) AND state = 'held' ORDER BY log_offset"


def demands_upto(session: Session | None, log_offset: int) -> Demands:
    """What the log says up to there; without a session, or before the first event, nobody has said anything."""
    demands = Demands()
    for fact in of_kinds(session, KINDS, log_offset) if session is not None and log_offset else ():
        demands.place(fact)
    return demands


def held(cursor: Cursor[Any], projects: Collection[int]) -> list[dict[str, Any]]:
    """The feedback of some projects that is held."""
    found = cursor.execute(HELD, [list(projects)]).fetchall() if projects else []
    return [row for (row,) in found]
