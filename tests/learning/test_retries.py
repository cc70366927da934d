"""Retries: when a failed delivery is tried again, and when its receiver is left in peace."""

from datetime import UTC, datetime, timedelta

import pytest

from feedback_loop.learning.retries import BREAKS_AT, WAITS_S, Health, Next, Outcome, health_after, next_try

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
BROKEN = Outcome(500)


def waits(event_type: str, chance: float = 0.5) -> list[float | None]:
    """The waits of a message whose every attempt fails."""
    return [next_try(event_type, tries, BROKEN, chance).wait_s for tries in range(1, 16)]


def test_a_message_is_tried_for_three_days() -> None:
    """Ten attempts over the stated waits, then it has failed."""
    told = [wait for wait in waits("metric.breached") if wait is not None]

    assert told == list(WAITS_S)
    assert timedelta(days=3) < timedelta(seconds=sum(told)) < timedelta(days=4)
    assert next_try("metric.breached", 10, BROKEN, 0.5) == Next("failed")


def test_a_rollback_has_a_fast_lane() -> None:
    """Four more attempts within four seconds before the usual ones."""
    assert waits("model.rollback_requested")[:6] == [0.2, 0.5, 1.0, 2.0, 5.0, 300.0]


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_waits_are_spread(chance: float, share: float) -> None:
    """By a fifth either way, so that what failed together does not come back together."""
    assert waits("metric.breached", chance)[1] == pytest.approx(300 * share)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(200), Next("delivered")),
        (Outcome(204), Next("delivered")),
        (Outcome(302), Next("waiting", 5.0)),
        (Outcome(410), Next("failed")),
        (Outcome(429, None, 60.0), Next("waiting", 60.0)),
        (Outcome(503, None, 1.0), Next("waiting", 5.0)),
        (Outcome(503, None, 10.0**9), Next("waiting", 86_400.0)),
        (Outcome(500, None, 60.0), Next("waiting", 5.0)),
        (Outcome(503, None, -60.0), Next("waiting", 5.0)),
        (Outcome(None, "timeout"), Next("waiting", 5.0)),
    ],
)
def test_an_answer_decides(outcome: Outcome, expected: Next) -> None:
    """2xx is delivered, 410 is the end; who is busy says how long, up to a day; a redirect is no delivery."""
    assert next_try("metric.breached", 1, outcome, 0.5) == expected


def test_a_breaker_opens_and_closes() -> None:
    """Five failures pause the endpoint, then one attempt at a time finds out; a success forgets all."""
    health, pauses = Health(), []
    for _ in range(BREAKS_AT + 5):
        health = health_after(health, BROKEN, NOON)
        pauses.append(None if health.paused_until is None else (health.paused_until - NOON).total_seconds())

    assert pauses == [None, None, None, None, 30.0, 60.0, 120.0, 240.0, 300.0, 300.0]
    assert (Health().places, health.places) == (2, 1)
    assert health_after(health, Outcome(200), NOON) == Health()


def test_a_receiver_that_is_gone_is_disabled() -> None:
    """410 at once, and any failure three days after the first without a success between."""
    assert health_after(Health(), Outcome(410), NOON).disabled_reason
    since = Health(3, NOON - timedelta(days=3))
    assert health_after(since, BROKEN, NOON).disabled_reason
    assert health_after(since, BROKEN, NOON - timedelta(minutes=1)).disabled_reason is None


def test_a_busy_receiver_is_left_in_peace() -> None:
    """Retry-After holds for everything that waits for the endpoint."""
    assert health_after(Health(), Outcome(429, None, 60.0), NOON).paused_until == NOON + timedelta(seconds=60)


@pytest.mark.parametrize("outcome", [Outcome(200), BROKEN, Outcome(410)])
def test_what_somebody_disabled_stays_so(outcome: Outcome) -> None:
    """An attempt that was on its way when an administrator disabled the endpoint does not enable it again."""
    disabled = Health(2, NOON, None, "by an administrator")

    assert health_after(disabled, outcome, NOON) == disabled
