"""Bugs of the stream, each of which a failure test must find: the docstring says what is wrong with it."""

from contextlib import contextmanager
from threading import Event
from types import ModuleType
from typing import Any

from failpoints import hit


def _points(module: ModuleType) -> None:
    """No bug: failpoints between effects and place (`applied`) and between place and COMMIT (`advanced`)."""
    honest = module.advance

    def advance(*given: Any) -> Any:
        hit("applied")
        moved = honest(*given)
        hit("advanced")
        return moved

    module.advance = advance


def _two_transactions(module: ModuleType) -> None:
    """Commits the rolling metrics before the rest, which a moment later is as good as committed."""
    import psycopg

    honest = module.RollingMetrics.apply

    def apply(self: Any, batch: Any, cursor: Any, now: Any) -> None:
        with psycopg.connect(cursor.connection.info.dsn) as other:
            honest(self, batch, other.cursor(), now)

    module.RollingMetrics.apply = apply


def _trusting(module: ModuleType) -> None:
    """A holder that says nothing will say something sooner or later."""
    module.SILENT_S = 10**6


def _choking(module: ModuleType, argument: str) -> None:
    """No bug of the stream: a consumer that raises, turns in circles or takes all memory at one event."""
    honest = module.RollingMetrics.apply

    def apply(self: Any, batch: Any, cursor: Any, now: Any) -> None:
        if any(event.row.id == "poison" for event in batch.events):
            if argument == "raise":
                raise ValueError
            while argument == "turn":
                pass
            bytearray(8 << 30)
        honest(self, batch, cursor, now)

    module.RollingMetrics.apply = apply


def _endless(module: ModuleType) -> None:
    """A batch may take as long as it takes."""

    @contextmanager
    def limited(events: int, again: bool) -> Any:
        yield

    module.limited = limited


def _slow(module: ModuleType, argument: str) -> None:
    """No bug of the stream: a consumer that takes so many seconds for an event."""
    honest = module.RollingMetrics.apply

    def apply(self: Any, batch: Any, cursor: Any, now: Any) -> None:
        Event().wait(len(batch.events) * float(argument))
        honest(self, batch, cursor, now)

    module.RollingMetrics.apply = apply


def _greedy(module: ModuleType) -> None:
    """Reads all there is at once."""
    honest = module.Reader.__init__

    def begin(self: Any, engine: Any, limit: int, *given: Any) -> None:
        honest(self, engine, 10**9, *given)

    module.Reader.__init__ = begin


FAULTS: dict[str, list[Any]] = {
    "stream_points": [("feedback_loop.stream.positions", _points)],
    "two_transactions": [("feedback_loop.stream.consumers.rolling_metrics", _two_transactions)],
    "trusting": [("feedback_loop.stream.positions", _trusting)],
    "choking": [("feedback_loop.stream.consumers.rolling_metrics", _choking)],
    "endless": [("feedback_loop.stream.limits", _endless)],
    "slow": [("feedback_loop.stream.consumers.rolling_metrics", _slow)],
    "greedy": [("feedback_loop.stream.reading", _greedy)],
}
