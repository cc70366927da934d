"""The receiver with a log that forgets: parsing, keys and validation as in production, and no database write."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from api.garbage import rare_collections
from api.receiver import create_app, thin
from api.receiver.composition import receiving
from feedback_ingest.group_commit import Item, Outcome
from feedback_ingest.log import Appended
from feedback_ingest.settings import get_settings


async def forget(items: Sequence[Item], *_: Any, **__: Any) -> list[Outcome]:
    """Stands where the group commit's `submit` stands: everything is accepted at once, at offset 1."""
    return [Appended(1, "accepted") for _ in items]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The receiver's own composition with the writer replaced."""
    async with receiving(get_settings()) as app.state.receiving:
        commits: Any = app.state.receiving.door.intake.commits
        commits.submit = forget
        with rare_collections():
            yield


framework = create_app()
framework.router.lifespan_context = lifespan
app = thin(framework)
