"""The ends of a process: what waits is sent at exit, a forked child starts afresh, SIGTERM can become an exit."""

import atexit
import os
import signal
import sys
import threading
from typing import Protocol
from weakref import WeakSet


class Living(Protocol):
    """A client as this module knows it."""

    def close_at_exit(self) -> None:
        """Sends what waits, within the client's close_timeout."""

    def after_fork(self) -> None:
        """In a forked child: forgets the parent's threads, connections, files and events."""


_known: WeakSet[Living] = WeakSet()
# Held on to while they may have events: a client that nobody refers to any more still sends what it was given.
_started: set[Living] = set()
_finalized: set[int] = set()


def know(client: Living) -> None:
    """From now on a fork gives the child a client of its own."""
    _known.add(client)


def started(client: Living) -> None:
    """From now on the client is closed at the end of the process."""
    _started.add(client)
    _close_with_multiprocessing()


def ended(client: Living) -> None:
    """The client was closed."""
    _started.discard(client)


def exit_on_sigterm() -> None:
    """SIGTERM raises SystemExit in the main thread, so that `with` blocks and exit functions run.

    Only where nobody handles it: a server's own graceful stop is left alone.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


@atexit.register
def _close_all() -> None:
    for client in list(_started):
        client.close_at_exit()


def _close_with_multiprocessing() -> None:
    """A child of multiprocessing leaves without exit functions; it has a list of its own."""
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or os.getpid() in _finalized:
        return
    from multiprocessing.util import Finalize

    _finalized.add(os.getpid())
    Finalize(None, _close_all, exitpriority=100)


def _after_fork() -> None:
    _started.clear()
    for client in list(_known):
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
