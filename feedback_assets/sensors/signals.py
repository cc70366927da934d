"""Waiting within a tick for the stream's signal: Dagster's daemon comes by every five seconds, and cannot be called."""

from collections.abc import Callable

import dagster as dg
import psycopg
from sqlmodel import col, select

from feedback_assets.resources import LogResource
from feedback_assets.retraining import RAISED, SIGNAL
from feedback_assets.sensors.pace import WAIT_S
from feedback_ingest.clock import monotonic_s
from feedback_loop.stream.consumers.alerts import CHANNEL
from feedback_loop.stream.tables import Alert

LOOK_EVERY_S = 0.5
"""How often it is asked in between whether something changed that no alert tells of."""

Answer = dg.SensorResult | dg.SkipReason


def answered(log: LogResource, look: Callable[[], Answer], state: Callable[[], object]) -> Answer:
    """What `look` says; where that is no run, what it says whenever `state` is another one, while the tick may last.

    `state` is asked at every alert, for which it is listened before the first look, so that none falls in between.
    """
    with psycopg.connect(log.database.asyncpg_dsn, autocommit=True, connect_timeout=5) as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        ends = monotonic_s() + WAIT_S
        seen, answer = state(), look()
        while not _requests(answer) and (left := ends - monotonic_s()) > 0:
            next(listening.notifies(timeout=min(left, LOOK_EVERY_S), stop_after=1), None)
            if (now := state()) != seen:
                seen, answer = now, look()
        return answer


def signalled(log: LogResource) -> int:
    """The newest event that made a rule signal drift of some model; 0 where none did."""
    raised = select(Alert.cause_offset).where(Alert.state == RAISED, col(Alert.actions).contains([SIGNAL]))
    with log.session() as session:
        return session.exec(raised.order_by(col(Alert.cause_offset).desc()).limit(1)).first() or 0


def _requests(answer: Answer) -> bool:
    return isinstance(answer, dg.SensorResult) and bool(answer.run_requests)
