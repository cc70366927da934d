"""Reading the log in batches, and one batch ahead of the writing while there is a backlog."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from sqlalchemy import Engine
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.log import LogRow
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.stream.consumers import Event


class Reader:
    """Reads at most `limit` events a time; a full batch means more is waiting, and the next one is fetched meanwhile.

    The log is appended to in order and never changes, so what was read ahead is what would be read later.
    """

    def __init__(self, engine: Engine, limit: int, ahead: Engine | None = None) -> None:
        self._engine = engine
        self._limit = limit
        self._ahead = ahead
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._next: tuple[int, Future[list[Event]]] | None = None

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def read(self, after: int, upto: int | None = None) -> list[Event]:
        """The events that follow offset `after`, none above `upto`; empty at the end of the log."""
        waiting, self._next = self._next, None
        events = waiting[1].result() if waiting and waiting[0] == after else []
        events = events or self._read(self._engine, after)
        is_full = len(events) == self._limit
        if upto is not None and events and events[-1].row.log_offset > upto:
            events = [event for event in events if event.row.log_offset <= upto]
        if is_full and self._ahead is not None:
            last = events[-1].row.log_offset
            self._next = last, self._thread.submit(self._read, self._ahead, last)
        return events

    def _read(self, engine: Engine, after: int) -> list[Event]:
        with Session(engine) as session:
            rows = log.read(session, after, self._limit)
        return [event_of(row) for row in rows]


def event_of(row: LogRow) -> Event:
    """The row with what it says; why it cannot be read is kept, and raised when its turn has come."""
    try:
        return Event(row, feedback_row(row), inference_row(row))
    except Exception as fault:  # noqa: BLE001 - whatever is wrong with one event must not stop the others
        return Event(row, fault=fault)
