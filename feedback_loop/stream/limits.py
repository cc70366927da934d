"""What a batch may use: a handler that does not end, or takes all memory, is an error of its event and no outage."""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time
from types import FrameType

FIRST_CPU_S = 2.0
"""For a batch that is new, beside what its events may take: modules and files may be read for the first time."""
AGAIN_CPU_S = 0.3
"""The same for a part of a batch that has failed."""
EVENT_CPU_S = 0.002
"""Fifty times what an event takes. Time on the processor, not on the wall: a busy machine or database is no fault."""
LOOK_EVERY_S = 0.1


class TookTooLong(Exception):
    """Consumers worked on a batch for longer than its events can take."""


@contextmanager
def limited(events: int, again: bool) -> Iterator[None]:
    """Raises TookTooLong inside once so many events have taken too long; in the main thread, where signals arrive."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ends_s = thread_time() + (AGAIN_CPU_S if again else FIRST_CPU_S) + events * EVENT_CPU_S

    def look(number: int, frame: FrameType | None) -> None:
        if thread_time() > ends_s:
            raise TookTooLong

    before = signal.signal(signal.SIGVTALRM, look)
    signal.setitimer(signal.ITIMER_VIRTUAL, LOOK_EVERY_S, LOOK_EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def bound_memory(mib: int) -> None:
    """Allocations of this process beyond `mib` MiB raise MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (mib << 20, hard))
