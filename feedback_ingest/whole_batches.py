"""Batches that are stored whole or not at all: a conflict or an event Postgres refuses takes its neighbours back."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from feedback_ingest.errors import Fault, FeedbackError, Unstorable, ValidationFailed
from feedback_ingest.log import Appended, Item

Append = Callable[[Sequence[Item]], Awaitable[list[Appended]]]


def withdrawn() -> ValidationFailed:
    """What a good event is told whose batch was not stored because of another."""
    return ValidationFailed("Nothing of the batch was stored.", (Fault("", "not-all-accepted"),))


async def append_whole(connection: Any, append: Append, items: Sequence[Item]) -> list[Appended | FeedbackError]:
    """Appends all of `items`, or none where one is in conflict; to be called inside a transaction."""
    savepoint = connection.transaction()
    await savepoint.start()
    outcomes = await append(items)
    if all(outcome.status != "conflict" for outcome in outcomes):
        await savepoint.commit()
        return list(outcomes)
    await savepoint.rollback()
    gone = {outcome.log_offset for outcome in outcomes if outcome.status == "accepted"}
    return [withdrawn() if outcome.log_offset in gone and outcome.status != "conflict" else outcome
            for outcome in outcomes]  # fmt: skip


async def find_unstorable(connection: Any, append: Append, items: Sequence[Item]) -> list[Appended | FeedbackError]:
    """Tells which of `items` Postgres refuses, by trying each alone; none is stored."""
    outcomes: list[Appended | FeedbackError] = []
    for item in items:
        attempt = connection.transaction()
        await attempt.start()
        try:
            await append([item])
            outcomes.append(withdrawn())
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError):
            outcomes.append(Unstorable())
        await attempt.rollback()
    return outcomes
