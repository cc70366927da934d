"""Rollbacks: a request in the log is carried out or refused, once, in the transaction that passes it."""

from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor

from feedback_ingest.canonical import load_pepper
from feedback_ingest.log import LogRow
from feedback_ingest.settings import Settings
from feedback_loop.registry.rollbacks import REQUESTED, Order, roll_back
from feedback_loop.stream.consumers._base import Batch, Consumer

TOLD = (
    "rule",
    "rule_version",
    "alert_id",
    "metric",
    "segment",
    "value",
    "samples",
    "users",
    "cause_offset",
    "rests_on",
)
"""What the answer repeats of the request."""


class Rollbacks(Consumer):
    """Moves the champion pointer; a request has one answer in the log, by which a replay knows of it."""

    name: ClassVar[str] = "rollbacks"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._pepper = load_pepper(settings)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Carries out the requests in the batch, in order."""
        for row in (event.row for event in batch.events if event.row.kind == REQUESTED):
            assert batch.session is not None, "a batch with facts in it is committed in a session"
            roll_back(batch.session, order_of(row), now, self._pepper, self.settings.rollback_cooldown_s)


def order_of(row: LogRow) -> Order:
    """The request as an order, under the request's own name."""
    body = row.body
    return Order(
        project_id=row.project_id,
        model_name=body["model_name"],
        leaves=body["model_version"],
        reason=body["reason"],
        name=row.id,
        told={name: body[name] for name in TOLD if name in body},
        asked_at=row.received_at,
        rests_on=body.get("rests_on", "people"),
    )
