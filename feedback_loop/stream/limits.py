"""What a batch may use: a handler that does not end, or takes all memory, is an error of its event and no outage."""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

BATCH_CPU_S = 0.5
EVENT_CPU_S = 0.002
"""Fifty times what an event takes. Time on the processor, not on the wall: a busy machine or database is no fault."""


class TookTooLong(Exception):
    """Consumers worked on a batch for longer than its events can take."""


@contextmanager
def limited(events: int) -> Iterator[None]:
    """Raises TookTooLong inside once so many events have taken too long; in the main thread, where signals arrive."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _raise)
    signal.setitimer(signal.ITIMER_VIRTUAL, BATCH_CPU_S + events * EVENT_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def bound_memory(mib: int) -> None:
    """Allocations of this process beyond `mib` MiB raise MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (mib << 20, hard))


def _raise(number: int, frame: FrameType | None) -> None:
    raise TookTooLong
