"""Webhooks: facts that somebody asked to be told of become messages in the outbox, each under one id for ever."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor

from feedback_ingest.log import Fact, LogRow
from feedback_loop.learning.notices import TOLD, Notice, notices, orphaned
from feedback_loop.stream.consumers._base import Batch, Change, Consumer
from feedback_loop.stream.webhooks.outbox import tell


class Webhooks(Consumer):
    """Tells on new ground only, so that a rebuild tells nobody of what is long known.

    A decision of this very batch is told in its transaction; when it comes back in the log it is the same message.
    """

    name: ClassVar[str] = "webhooks"
    after: ClassVar[tuple[str, ...]] = ("attribution", "alerts")
    relays: ClassVar[bool] = True

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Writes the messages of the batch and wakes whoever delivers."""
        if not batch.is_replay:
            found = [event.row for event in batch.events if event.row.kind in TOLD]
            told = [one for row in found for one in _of_row(row)]
            told += [one for fact in batch.facts for one in _of_fact(fact)]
            told += _of_waits(batch)
            tell(cursor, told, now)


def _of_waits(batch: Batch) -> Iterator[Notice]:
    """A notice for each feedback whose wait ended in the batch; in time of receipt, as the log tells it."""
    over = [change for change in batch.changes if change.after["state"] == "orphaned" and _waited(change)]
    moments = {event.row.log_offset: event.row.received_at for event in batch.events} if over else {}
    for change in over:
        yield orphaned(change.after, moments[change.cause_offset])


def _waited(change: Change) -> bool:
    return change.before is None or change.before["state"] != "orphaned"


def _of_fact(fact: Fact) -> Iterator[Notice]:
    return notices(fact.project_id, fact.kind, fact.id, fact.body, fact.occurred_at)


def _of_row(row: LogRow) -> Iterator[Notice]:
    return notices(row.project_id, row.kind, row.id, row.body, row.occurred_at)
