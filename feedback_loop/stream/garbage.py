"""Garbage collection between batches, not in them: rows are no cycles, and looking at thousands costs a fifth."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

EVERY_EVENTS = 20_000


class Sweeper:
    """Collects once for so many events, so that memory stays flat at any rate."""

    def __init__(self) -> None:
        self._events = 0

    def sweep(self, events: int) -> None:
        """Call it after every batch, with the number of its events."""
        self._events += events
        if self._events >= EVERY_EVENTS:
            self._events = 0
            gc.collect()


@contextmanager
def left_to_sweeper() -> Iterator[None]:
    """Automatic collection is off inside; what is alive at the start is not looked at again."""
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
