"""The verdicts that stand in the log about end users, as the stream has read them."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from psycopg import Cursor

from feedback_ingest.log import LogRow
from feedback_loop.learning.trust.standings import KINDS, Verdict, verdict_of
from feedback_loop.stream.writing import json_text, pairs

User = tuple[int, str]

LEARN = """
INSERT INTO actor_verdicts SELECT * FROM json_populate_recordset(NULL::actor_verdicts, %s) ON CONFLICT DO NOTHING
"""
UNHEARD = """f.source_kind = 'end_user' AND EXISTS (
    SELECT FROM (SELECT v.weight FROM actor_verdicts v WHERE v.project_id = f.project_id AND v.subject = f.user_ref
                 ORDER BY v.log_offset DESC LIMIT 1) last
    WHERE last.weight = 0)"""
"""That the loop does not listen to the user of a row f of live_feedback, whenever they said it; as `trusted` says."""

VERDICTS = """
SELECT v.project_id, v.subject, v.log_offset, v.kind, v.weight, v.signal, v.reason, v.decided_by
FROM unnest(%s::int[], %s::text[]) AS k(project_id, subject)
JOIN actor_verdicts v ON v.project_id = k.project_id AND v.subject = k.subject AND v.log_offset <= %s
ORDER BY v.log_offset
"""


def learn(cursor: Cursor[Any], rows: Iterable[LogRow]) -> None:
    """Keeps the verdicts among these facts."""
    told = [{**verdict_of(row)._asdict(), "decided_at": row.received_at} for row in rows if row.kind in KINDS]
    if told:
        cursor.execute(LEARN, [json_text(told)])


def verdicts(cursor: Cursor[Any], users: Collection[User], upto: int) -> dict[User, list[Verdict]]:
    """What was decided of each of these users up to an offset, in order; most have no entry."""
    found: defaultdict[User, list[Verdict]] = defaultdict(list)
    for row in cursor.execute(VERDICTS, (*pairs(users), upto)).fetchall() if users else ():
        verdict = Verdict(*row)
        found[verdict.project_id, verdict.subject].append(verdict)
    return found


def is_silent_at(told: Iterable[Verdict], log_offset: int) -> bool:
    """Whether the user was not listened to when the event at that offset came; `told` are verdicts in order."""
    before = [each for each in told if each.log_offset < log_offset]
    return bool(before) and before[-1].is_silent
