"""The clock of a play: recorded times moved to now, gaps scaled, and the hand held still while a retraining runs."""

from datetime import datetime, timedelta


class EventClock:
    """Maps recorded times to event times; `monotonic_s` readings are arguments, so the clock itself reads none.

    `speed` is recorded seconds per played second. While held, `recorded_now` stands still.
    """

    def __init__(self, recorded_start: datetime, play_start: datetime, started_s: float, speed: float) -> None:
        self._recorded_start = recorded_start
        self._play_start = play_start
        self._started_s = started_s
        self._speed = speed
        self._held_since_s: float | None = None
        self._held_s = 0.0

    def event_time(self, recorded: datetime) -> datetime:
        """When a recorded moment happens in the play; holding the clock does not move it."""
        return self._play_start + (recorded - self._recorded_start) / self._speed

    def recorded_now(self, monotonic_s: float) -> datetime:
        """The recorded moment the hand points at."""
        return self._recorded_start + timedelta(seconds=self._played_s(monotonic_s) * self._speed)

    def hold(self, monotonic_s: float) -> None:
        """Stops the hand; holding a held clock changes nothing."""
        if self._held_since_s is None:
            self._held_since_s = monotonic_s

    def release(self, monotonic_s: float) -> float:
        """Lets the hand go on; returns for how many seconds it stood (0.0 when it was not held)."""
        if self._held_since_s is None:
            return 0.0
        stood_s = monotonic_s - self._held_since_s
        self._held_s += stood_s
        self._held_since_s = None
        return stood_s

    @property
    def is_held(self) -> bool:
        """Does the hand stand still?"""
        return self._held_since_s is not None

    def _played_s(self, monotonic_s: float) -> float:
        until = self._held_since_s if self._held_since_s is not None else monotonic_s
        return until - self._started_s - self._held_s
