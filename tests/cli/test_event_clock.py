"""The clock of a play: recorded gaps keep their proportions, and event time stands still while a retraining runs."""

from datetime import UTC, datetime, timedelta

from feedback_cli.demo.event_clock import EventClock

RECORDED = datetime(1996, 7, 30, tzinfo=UTC)
PLAYED = datetime(2026, 5, 1, 12, tzinfo=UTC)


def clock(speed: float = 1800.0) -> EventClock:
    """A clock that plays half an hour of the recording in each second."""
    return EventClock(RECORDED, PLAYED, started_s=100.0, speed=speed)


def test_recorded_times_move_to_the_play() -> None:
    """The first event happens when the play starts; two recorded hours later is four played seconds later."""
    moved = clock().event_time(RECORDED + timedelta(hours=2))

    assert clock().event_time(RECORDED) == PLAYED
    assert moved == PLAYED + timedelta(seconds=4)


def test_the_hand_moves_with_the_real_clock() -> None:
    """Three seconds after the start the hand points 90 recorded minutes on."""
    pointed = clock().recorded_now(103.0)

    assert pointed == RECORDED + timedelta(minutes=90)


def test_a_held_clock_stands_still_and_goes_on_where_it_stood() -> None:
    """Time that passes while it is held is not played, and its length is told."""
    held = clock()
    held.hold(102.0)
    held.hold(103.0)

    while_held = held.recorded_now(107.0)
    stood_s = held.release(110.0)
    afterwards = held.recorded_now(111.0)

    assert while_held == RECORDED + timedelta(hours=1)
    assert stood_s == 8.0
    assert afterwards == RECORDED + timedelta(minutes=90)


def test_releasing_a_moving_clock_changes_nothing() -> None:
    """A release without a hold tells zero seconds."""
    moving = clock()

    stood_s = moving.release(105.0)

    assert stood_s == 0.0
    assert not moving.is_held
    assert moving.recorded_now(106.0) == RECORDED + timedelta(hours=3)
