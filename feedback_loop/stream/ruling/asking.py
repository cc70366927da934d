"""Asking for a rollback: a raised alert of a rule that may, on the version that serves, once it is sure enough."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Cursor

from feedback_ingest.log import Fact
from feedback_loop.learning.rollbacks import may_ask
from feedback_loop.learning.rules import Decision, Voices
from feedback_loop.registry.champions import serves
from feedback_loop.registry.rollbacks import REQUESTED
from feedback_loop.stream.ruling.alerting import as_body
from feedback_loop.stream.ruling.metric_points import Series
from feedback_loop.stream.ruling.rule_book import Standard

WAS_ASKED = "SELECT FROM staging.event_keys WHERE project_id = %s AND kind = %s AND id = %s"

OF_ALERTS = ("state", "actions", "raised_at")
"""What only an alert says of itself."""


class Answer(NamedTuple):
    """The request, where one is made now, and what is to be told of the decision."""

    decision: Decision
    request: Fact | None = None


def ask(
    cursor: Cursor[Any],
    standard: Standard,
    series: Series,
    told: dict[str, Any],
    found: Decision,
    listen: Callable[[datetime, datetime], Voices],
    now: datetime,
) -> Answer:
    """Asks once an alert, by its name: `told` is the alert that stands, `found` the newest decision on it."""
    if cursor.execute(WAS_ASKED, (series.project_id, REQUESTED, told["alert_id"])).fetchone() is not None:
        return Answer(found)
    start = found.moment - timedelta(seconds=standard.rule.window_s)
    asked = may_ask(
        standard.rule, found, serves(cursor, *series[:3]), now - found.moment, lambda: listen(start, found.moment)
    )
    if not asked.asks:
        waits = f"{found.reason}; no rollback: {asked.reason}"
        return Answer(found._replace(verdict="rollback_waits", reason=waits))
    body = {name: value for name, value in as_body(told).items() if name not in OF_ALERTS}
    body["rests_on"] = asked.rests_on
    request = Fact(series.project_id, REQUESTED, told["alert_id"], body, now)
    return Answer(found._replace(verdict="rollback_requested"), request)
