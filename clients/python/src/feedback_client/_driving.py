"""The two loops that carry out a delivery's steps: one blocks, one awaits; they decide nothing."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import Any

from feedback_client._answers import Answer, Failure
from feedback_client._delivery import Post, Settlement, Step, Trouble, Wait

log = logging.getLogger("feedback_client")

Told = Settlement | Trouble


def drive(
    steps: Generator[Step, Any, bool],
    post: Callable[[Post], Answer | Failure],
    pause: Callable[[Wait], bool],
    tell: Callable[[Told], None],
) -> bool:
    """Carries out `steps`; False when a pause said to stop."""
    reply: object = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as end:
            return bool(end.value)
        reply = None
        if isinstance(step, Post):
            reply = post(step)
        elif isinstance(step, Wait):
            reply = pause(step)
        else:
            tell(step)


async def drive_awaiting(
    steps: Generator[Step, Any, bool],
    post: Callable[[Post], Awaitable[Answer | Failure]],
    pause: Callable[[Wait], Awaitable[bool]],
    tell: Callable[[Told], Awaitable[None]],
) -> bool:
    """Carries out `steps`; False when a pause said to stop."""
    reply: object = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as end:
            return bool(end.value)
        reply = None
        if isinstance(step, Post):
            reply = await post(step)
        elif isinstance(step, Wait):
            reply = await pause(step)
        else:
            await tell(step)


def called(results: Iterable[object]) -> None:
    """Lets the callbacks run."""
    for _ in results:
        pass


async def awaited(results: Iterable[object]) -> None:
    """Lets the callbacks run, and awaits those that are coroutines; what they raise is logged."""
    for result in results:
        if inspect.isawaitable(result):
            try:
                await result
            except Exception:
                log.exception("a callback failed")
