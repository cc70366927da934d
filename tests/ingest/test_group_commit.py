"""The group commit on a real Postgres: nobody is told before COMMIT, nobody is lost, one bad event sinks no other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import FeedbackError, Overloaded, StorageUnavailable, Unstorable, ValidationFailed
from feedback_ingest.group_commit import GroupCommit, Held
from feedback_ingest.log import Appended, Item
from feedback_ingest.postgres import Database

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def item(name: str, body: str = "{}") -> Item:
    """One event ready to be written."""
    return Item(1, "feedback", name, name.encode().ljust(32), NOW, NOW, body)


@asynccontextmanager
async def committing(database: Database, **limits: int) -> AsyncIterator[GroupCommit]:
    """A running group commit, drained at the end."""
    known = {"events": 5_000, "bytes_": 1 << 25, "quarantine_rows": 100} | limits
    commits = GroupCommit(database.asyncpg_dsn, age_s=3.0, clock=monotonic_s, **known)
    task = asyncio.create_task(commits.run())
    try:
        await until(lambda: commits.is_up)
        yield commits
        await asyncio.wait_for(commits.drain(), 10)
    finally:
        task.cancel()
        await commits.close()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is not an event of ours
            await asyncio.sleep(0.01)


def test_many_at_once_share_commits(database: Database, session: Session) -> None:
    """Five hundred requests at once are all stored, in far fewer transactions, with offsets in the order of arrival."""

    async def scenario() -> tuple[list[list[Appended | FeedbackError]], int]:
        async with committing(database) as commits:
            answers = await asyncio.gather(*(commits.submit([item(f"share-{n}")]) for n in range(500)))
            xids = "SELECT count(DISTINCT xmin::text) FROM staging.feedback_events WHERE id LIKE 'share-%'"
            return answers, session.execute(text(xids)).scalar_one()

    answers, transactions = asyncio.run(scenario())

    offsets = [answer[0].log_offset for answer in answers if isinstance(answer[0], Appended)]
    assert offsets == list(range(offsets[0], offsets[0] + 500))
    assert transactions < 20


def test_one_event_postgres_refuses_sinks_no_other(database: Database) -> None:
    """A poison event in a group is narrowed down by halves; its four hundred neighbours are stored."""

    async def scenario() -> list[Appended | FeedbackError]:
        async with committing(database) as commits:
            group = [item(f"good-{n}") for n in range(400)]
            group[123] = item("poison", '{"a":"\\u0000"}')
            return await commits.submit(group)

    outcomes = asyncio.run(scenario())

    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Unstorable)] == [123]
    assert sum(isinstance(outcome, Appended) for outcome in outcomes) == 399


def test_a_whole_batch_is_stored_or_not(database: Database, session: Session) -> None:
    """One event Postgres refuses takes its whole batch back; a neighbour in the queue and what is held are stored."""
    held = Held(1, "feedback", "k", NOW, "validation-failed", "[]", b"beside a whole batch")
    names = [f"whole-{n}" for n in range(5)]

    async def scenario() -> tuple[list[Appended | FeedbackError], list[Appended | FeedbackError]]:
        async with committing(database) as commits:
            batch = [item(name) for name in names]
            batch[2] = item("poison", '{"a":"\\u0000"}')
            whole = commits.submit(batch, [held], whole=True)
            return tuple(await asyncio.gather(whole, commits.submit([item("beside-whole")])))  # type: ignore[return-value]

    outcomes, beside = asyncio.run(scenario())

    assert [type(outcome) for outcome in outcomes].count(ValidationFailed) == 4
    assert isinstance(outcomes[2], Unstorable)
    assert isinstance(beside[0], Appended)
    stored = "SELECT count(*) FROM staging.feedback_events WHERE id = ANY(:names)"
    kept = "SELECT count(*) FROM staging.quarantined_items WHERE body = 'beside a whole batch'"
    assert session.execute(text(stored), {"names": names}).scalar_one() == 0
    assert session.execute(text(kept)).scalar_one() == 1
    session.execute(text("DELETE FROM staging.quarantined_items"))
    session.commit()


def test_refuses_more_than_its_queue_holds(database: Database) -> None:
    """A full queue answers at once instead of growing."""

    async def scenario() -> tuple[int, int]:
        async with committing(database, events=100) as commits:
            waiting = [asyncio.create_task(commits.submit([item(f"full-{n}")])) for n in range(300)]
            done = await asyncio.gather(*waiting, return_exceptions=True)
            return sum(isinstance(one, Overloaded) for one in done), sum(isinstance(one, list) for one in done)

    refused, stored = asyncio.run(scenario())

    assert (refused, stored) == (200, 100)


def test_survives_its_connection_being_killed(database: Database, session: Session) -> None:
    """Whoever waits is told 503 (safe to send again); the next event is stored on a new connection."""

    async def scenario() -> Appended | FeedbackError:
        async with committing(database) as commits:
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'feedback receiver' AND datname = current_database()"
                )
            )
            with pytest.raises(StorageUnavailable):
                await commits.submit([item("ambiguous")])
            await until(lambda: commits.is_up)
            return (await commits.submit([item("after")]))[0]

    assert isinstance(asyncio.run(scenario()), Appended)


def test_holds_refused_events_up_to_the_cap(database: Database, session: Session) -> None:
    """Refusals are kept whole until a project's cap, beyond it only counted, and never block the good ones."""

    async def scenario() -> int:
        async with committing(database, quarantine_rows=5) as commits:
            for n in range(8):
                held = Held(1, "feedback", "k", NOW, "validation-failed", "[]", b"\x00raw")
                await commits.submit([item(f"beside-{n}")], [held])
            return commits.room.overflowed

    beyond = asyncio.run(scenario())

    kept = session.execute(text("SELECT count(*) FROM staging.quarantined_items")).scalar_one()
    assert (kept, beyond) == (5, 3)


def test_waits_for_what_was_submitted(database: Database, session: Session) -> None:
    """A drain at shutdown ends only when everything submitted is in the log."""

    async def scenario() -> int:
        async with committing(database) as commits:
            tasks = [asyncio.create_task(commits.submit([item(f"drain-{n}")])) for n in range(200)]
            await asyncio.sleep(0)
            await commits.drain()
            stored = session.execute(
                text("SELECT count(*) FROM staging.event_keys WHERE id LIKE 'drain-%'")
            ).scalar_one()
            await asyncio.gather(*tasks)
            return stored

    assert asyncio.run(scenario()) == 200
