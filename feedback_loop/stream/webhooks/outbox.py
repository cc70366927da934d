"""The outbox: messages written in the transaction of what they tell of, under ids that tell them once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Cursor

from feedback_loop.learning.notices import EVERY, Notice, slack_body

CHANNEL = "feedback_webhooks"
"""LISTEN here to be woken when a message is committed; the payload is empty."""

ADD = """
INSERT INTO webhook_messages
    (message_id, endpoint_id, project_id, event_type, body, state, created_at, due_at, tries, claims)
SELECT n.message_id, e.endpoint_id, n.project_id, n.event_type, CASE e.format WHEN 'slack' THEN n.slack ELSE n.body END,
       'waiting', %s, %s, 0, 0
FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[])
     AS n(message_id, project_id, event_type, body, slack, named)
JOIN webhook_endpoints e ON e.project_id = n.project_id AND e.disabled_at IS NULL
    AND CASE WHEN n.named IS NULL THEN e.event_types && ARRAY[n.event_type, %s] ELSE e.endpoint_id = n.named END
ON CONFLICT (message_id, endpoint_id) DO NOTHING
"""
WAKE = "SELECT pg_notify(%s, '')"


def tell(cursor: Cursor[Any], notices: Sequence[Notice], now: datetime) -> None:
    """Puts `notices` out for every endpoint that asked for their types; what was told before is left as it is."""
    send(cursor, [(one, None) for one in notices], now)


def send(cursor: Cursor[Any], notices: Sequence[tuple[Notice, str | None]], now: datetime) -> None:
    """Puts each notice out for the endpoint named beside it, whether or not it asked; without a name as `tell` does."""
    rows = [
        (one.message_id, one.project_id, one.event_type, one.body, slack_body(one.text), endpoint_id)
        for one, endpoint_id in notices
    ]
    if rows:
        cursor.execute(ADD, [now, now, *(list(column) for column in zip(*rows, strict=True)), EVERY])
        if cursor.rowcount > 0:
            cursor.execute(WAKE, [CHANNEL])
