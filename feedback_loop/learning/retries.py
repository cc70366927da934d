"""Retries: when a delivery that failed is tried again, and when its receiver is left in peace or given up."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

WAITS_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""From one attempt to the next; after the last of them a message has failed."""

FAST_WAITS_S = (0.2, 0.5, 1.0, 2.0)
"""Before those, for what cannot wait: a model that is to be rolled back answers people meanwhile."""

FAST_TYPES = frozenset({"model.rollback_requested", "model.rolled_back"})
JITTER = 0.2
LONGEST_WAIT_S = 86_400.0
ASKS_TO_WAIT = frozenset({429, 502, 503, 504})
"""Answers whose Retry-After is heeded."""

GONE = 410
BREAKS_AT = 5
"""So many failures in a row open an endpoint's circuit breaker."""

PAUSE_S, LONGEST_PAUSE_S = 30.0, 300.0
GIVEN_UP_AFTER = timedelta(days=3)


class Outcome(NamedTuple):
    """How an attempt ended: the status of the answer, or why there was none; how long the answer asks to wait."""

    status: int | None
    error: str | None = None
    retry_after_s: float | None = None

    @property
    def is_delivered(self) -> bool:
        """The receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def wait_s(self) -> float:
        """What the receiver asks for; 0 where it asks for nothing."""
        asked = self.retry_after_s if self.status in ASKS_TO_WAIT else None
        return min(max(asked or 0.0, 0.0), LONGEST_WAIT_S)


class Next(NamedTuple):
    """What becomes of a message: `wait_s` until it is tried again, None where it is not."""

    state: Literal["delivered", "waiting", "failed"]
    wait_s: float | None = None


class Health(NamedTuple):
    """How an endpoint does: failures in a row and since when, no attempt before `paused_until`, why it is disabled."""

    failures: int = 0
    failing_since: datetime | None = None
    paused_until: datetime | None = None
    disabled_reason: str | None = None

    @property
    def places(self) -> int:
        """How many deliveries may be on their way at once; after many failures a single one finds out."""
        return 2 if self.failures < BREAKS_AT else 1


def next_try(event_type: str, tries: int, outcome: Outcome, chance: float) -> Next:
    """What follows the attempt number `tries` (from 1); `chance` in 0..1 spreads receivers that failed together."""
    if outcome.is_delivered:
        return Next("delivered")
    waits = FAST_WAITS_S + WAITS_S if event_type in FAST_TYPES else WAITS_S
    if outcome.status == GONE or tries > len(waits):
        return Next("failed")
    spread = 1 + JITTER * (2 * chance - 1)
    return Next("waiting", max(waits[tries - 1] * spread, outcome.wait_s))


def health_after(health: Health, outcome: Outcome, now: datetime) -> Health:
    """The endpoint's health once the attempt has ended at `now`; one that was disabled meanwhile stays so."""
    if health.disabled_reason is not None:
        return health
    if outcome.is_delivered:
        return Health()
    failures, since = health.failures + 1, health.failing_since or now
    if outcome.status == GONE:
        return Health(failures, since, None, "the receiver answered 410 Gone")
    if now - since >= GIVEN_UP_AFTER:
        return Health(failures, since, None, "every attempt has failed for three days")
    pause_s = outcome.wait_s
    if failures >= BREAKS_AT:
        pause_s = max(pause_s, min(PAUSE_S * 2 ** min(failures - BREAKS_AT, 10), LONGEST_PAUSE_S))
    return Health(failures, since, now + timedelta(seconds=pause_s) if pause_s else None)
