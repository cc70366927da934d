"""Failpoints of the receiver, which a test arms while it runs: at every step of a request in its process.

A failpoint is armed by a file of its name in the folder PLANTED_POINTS: `kill 3` ends the process with SIGKILL at the
third hit, `raise 1` raises there. The file is gone once it has fired, so that the next process goes on.
"""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

POINTS = ("body_read", "parsed", "validated", "enqueued", "before_begin", "after_commit", "before_answer", "answered")
"""The steps of a request in this process, in their order; those inside the transaction are the database's."""

_hits: Counter[str] = Counter()


class Planted(Exception):
    """A failpoint raised."""


def hit(point: str) -> None:
    """Does what is armed for `point`, if anything is."""
    armed = Path(os.environ["PLANTED_POINTS"]) / point
    try:
        action, number = armed.read_text().split()
    except (FileNotFoundError, ValueError):
        return
    _hits[point] += 1
    if _hits[point] < int(number):
        return
    armed.unlink()
    _hits.clear()
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise Planted(point)


def _around(place: Any, name: str, before: str | None, after: str | None) -> None:
    """A coroutine function with failpoints on both sides."""
    honest = getattr(place, name)

    async def wrapped(*given: Any, **named: Any) -> Any:
        if before:
            hit(before)
        result = await honest(*given, **named)
        if after:
            hit(after)
        return result

    setattr(place, name, wrapped)


def _after(place: Any, name: str, point: str) -> None:
    honest = getattr(place, name)

    def wrapped(*given: Any, **named: Any) -> Any:
        result = honest(*given, **named)
        hit(point)
        return result

    setattr(place, name, wrapped)


def _in_the_queue(module: ModuleType) -> None:
    honest = module.GroupCommit.submit

    async def submit(self: Any, *given: Any, **named: Any) -> Any:
        asyncio.get_running_loop().call_soon(hit, "enqueued")
        return await honest(self, *given, **named)

    module.GroupCommit.submit = submit
    _around(module.GroupCommit, "_transact", "before_begin", "after_commit")


FAILPOINTS = [
    ("api.receiver.door", lambda module: _around(module, "read_body", None, "body_read")),
    ("feedback_ingest.receive", lambda module: _after(module, "_read", "parsed")),
    ("feedback_ingest.receive", lambda module: _after(module.Receiver, "feedback", "validated")),
    ("feedback_ingest.group_commit", _in_the_queue),
    ("api.receiver.asgi", lambda module: _around(module, "answer", "before_answer", "answered")),
]
