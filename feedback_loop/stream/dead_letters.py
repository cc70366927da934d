"""Dead letters: events a consumer could not take, kept with the reason; many at once mean the program is broken."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection, Cursor

from feedback_ingest.errors import FeedbackError

WINDOW = 1_000
LIMIT = 10
TOO_MANY = """
SELECT count(DISTINCT log_offset) FROM dead_letters
WHERE consumer = ANY(%s) AND log_offset > %s AND log_offset <= %s
"""


class Poisoned(FeedbackError):
    """More than 1 % of the last thousand events could not be taken; mend the program, then `feedback stream` again."""


def bury(cursor: Cursor[Any], consumer: str, log_offset: int, error: Exception, attempts: int, now: datetime) -> None:
    """Keeps one event's failure: the error's class only, since its words may quote what a person wrote."""
    cursor.execute(
        "INSERT INTO dead_letters (consumer, log_offset, error, attempts, failed_at) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (consumer, log_offset) DO UPDATE SET attempts = dead_letters.attempts + excluded.attempts",
        (consumer, log_offset, type(error).__name__, attempts, now),
    )


def refuse_too_many(connection: Connection[Any], consumers: Sequence[str], log_offset: int) -> None:
    """Raises Poisoned when more than LIMIT of the WINDOW events up to `log_offset` are dead letters of `consumers`."""
    found = connection.execute(TOO_MANY, (list(consumers), log_offset - WINDOW, log_offset)).fetchone()
    connection.commit()
    if found is not None and found[0] > LIMIT:
        raise Poisoned()
