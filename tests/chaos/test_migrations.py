"""Many starts at once, and a schema that moves under load (failure tests 34 and 63)."""

import ast
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from feedback_ingest import migrate
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.group_commit import GroupCommit
from feedback_ingest.log import Appended, Item
from feedback_ingest.postgres import Database
from tests.chaos.cluster import Cluster
from tests.chaos.doors import ROOT
from tests.support.demo_runs import PLANTED

VERSIONS = sorted((Path(migrate.FOLDER) / "versions").glob("0*.py"))
UPGRADE = "from feedback_ingest import migrate; from feedback_ingest.postgres import open_database; "


@contextmanager
def empty(cluster: Cluster) -> Iterator[Database]:
    """A database of the cluster in which nothing was ever made."""
    made = cluster._first.sibling(f"empty_{time.monotonic_ns()}")
    yield made
    cluster.drop(made)


def upgrading(database: Database, plant: str, revision: str = "head") -> subprocess.Popen[str]:
    """A process that migrates the database."""
    environment = os.environ | {
        "FEEDBACK_DATABASE_URL": database.url, "PLANTED_BUG": plant, "PYTHONPATH": str(PLANTED), "PLANTED_POINTS": "."
    }  # fmt: skip
    command = [sys.executable, "-c", f"{UPGRADE}migrate.upgrade(open_database(), {revision!r})"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE)


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "is_orderly"), [("failpoints", True), ("unlocked", False)])
def test_one_of_many_makes_the_schema(cluster: Cluster, plant: str, is_orderly: bool) -> None:
    """Sixteen processes start at once on an empty database: none fails; without the common lock some do."""
    with empty(cluster) as database:
        processes = [upgrading(database, plant) for _ in range(16)]
        errors = [process.communicate(timeout=120)[1] for process in processes]

        assert all(process.returncode == 0 for process in processes) == is_orderly, errors
        migrate.check(database)


async def load(database: Database, until: asyncio.Event, slow: list[float]) -> int:
    """Appends through the receiver's writer until told to stop; each wait is noted; how many were stored."""
    commits = GroupCommit(
        database.asyncpg_dsn, events=5_000, bytes_=1 << 25, age_s=3.0, quarantine_rows=10, clock=monotonic_s
    )
    task = asyncio.create_task(commits.run())
    stored = 0
    while not until.is_set() or stored == 0:
        if commits.is_up:
            began = time.monotonic()
            item = Item(1, "feedback", f"e-{stored}", b"0" * 32, utc_now(), utc_now(), "{}")
            [outcome] = await commits.submit([item])
            assert isinstance(outcome, Appended)
            slow.append(time.monotonic() - began)
            stored += 1
        await asyncio.sleep(0.002)
    task.cancel()
    await commits.close()
    return stored


async def move(database: Database, plant: str) -> tuple[int, float]:
    """Migrates from the first revision to the newest under load while somebody reads a table for eight seconds."""
    done, slow = asyncio.Event(), list[float]()
    loading = asyncio.create_task(load(database, done, slow))
    looking = asyncio.create_task(asyncio.to_thread(look_at_keys, database, done, slow))
    with database.engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM credentials"))
        process = upgrading(database, plant)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 8)
        reader.rollback()
    await asyncio.to_thread(process.communicate, timeout=60)
    done.set()
    await looking
    return await loading, max(slow)


def look_at_keys(database: Database, done: asyncio.Event, slow: list[float]) -> None:
    """Looks a key up again and again, as the receiver does."""
    while not done.is_set():
        began = time.monotonic()
        with database.engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM credentials"))
        slow.append(time.monotonic() - began)
        time.sleep(0.01)


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "is_smooth"), [("failpoints", True), ("stubborn", False)])
def test_the_schema_moves_under_load(cluster: Cluster, plant: str, is_smooth: bool) -> None:
    """From the first revision to the newest while events come in and a table is in long use: nobody waits long.

    A migration that waits for its lock, the bug planted, makes everybody wait behind it.
    """
    with empty(cluster) as database:
        migrate.upgrade(database, "0001")

        stored, longest_s = asyncio.run(move(database, plant))

        migrate.check(database)
        with database.engine.connect() as connection:
            found = connection.execute(text("SELECT count(*), max(log_offset) FROM staging.feedback_events")).one()
        assert tuple(found) == (stored, stored)
        assert (longest_s < 2) == is_smooth


def unsafe(program: str) -> list[str]:
    """What of a migration would hold up the door, or who reads, for longer than a moment.

    What the stream alone writes may be made anew: it is derived, and the stream waits.
    """
    calls = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)]
    told = [(node.func.attr, node, ast.unparse(node)) for node in calls if isinstance(node.func, ast.Attribute)]
    ours = STREAMS | {_table(node) for name, node, _ in told if name == "create_table"}
    return [
        words
        for name, node, words in told
        if (_rewrites(name, words) and _table(node) not in ours)
        or (name == "create_index" and _table(node, 1) not in ours and "postgresql_concurrently=True" not in words)
    ]


STREAMS = {
    "alerts", "live_enrichments", "live_inferences", "live_feedback", "live_metrics", "training_examples",
    "review_candidates", "review_tasks", "rule_evidence",
}  # fmt: skip
"""Tables the stream alone writes, and that of the items which reviewers are given: neither is the door's."""


def _table(node: ast.Call, place: int = 0) -> str:
    """The table a call names."""
    return ast.unparse(node.args[place]).strip("'") if len(node.args) > place else ""


def _rewrites(name: str, words: str) -> bool:
    is_new_value = any(call in words for call in ("now()", "random(", "clock_timestamp"))
    return (
        (name == "add_column" and "nullable=False" in words and "server_default" not in words)
        or (name == "add_column" and "server_default" in words and is_new_value)
        or name in ("alter_column", "drop_column", "rename_table", "drop_table")
    )


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.stem)
def test_a_migration_only_adds(version: Path) -> None:
    """No table is rewritten, no column changed or dropped, no index built on a table in use."""
    assert not unsafe(version.read_text())


@pytest.mark.parametrize(
    "line",
    [
        "op.add_column('projects', sa.Column('a', sa.Text(), nullable=False))",
        "op.add_column('projects', sa.Column('a', sa.DateTime(), server_default=sa.text('clock_timestamp()')))",
        "op.drop_column('projects', 'name')",
        "op.create_index('by_name', 'projects', ['name'])",
    ],
)
def test_an_unsafe_migration_is_noticed(line: str) -> None:
    """The planted bugs: each of these would stop the door while it runs."""
    assert unsafe(line)
