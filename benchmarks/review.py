"""Review: how long fifty reviewers wait for their next item, on a queue of a million and on a short one by turns.

Each claims once a second over HTTP, and then submits; three are asked for each item. Everything runs on one machine.
"""

import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from sqlmodel import Session

from benchmarks.servers import served
from benchmarks.stream import summary
from feedback_ingest import log, migrate
from feedback_ingest.canonical import load_pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.keys import create
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review.queues import ProjectQueues

REVIEWERS = 50
SHORT = 2_000
FILL = text("""
INSERT INTO review_tasks (project_id, task_id, queue_id, inference_request_id, reason, skill, priority, rank_at,
                          is_gold, wanted, labels, free, state, opened_at)
SELECT 1, :queue || '-' || n, :queue, 'i-' || n % :known, 'measured', '', n * 7919 % 1000,
       now() - n * 7919 % 1000 * interval '1 minute', false, 3, 0, 3, 'open', now()
FROM generate_series(CAST(1 AS bigint), :count) n
""")


def run(full: bool) -> dict[str, Any]:
    """All figures; `full` takes the million that the goal names."""
    return measure(rounds=3, seconds=10, tasks=1_000_000) if full else measure(rounds=2, seconds=5, tasks=100_000)


def measure(rounds: int, seconds: int, tasks: int, reviewers: int = REVIEWERS) -> dict[str, Any]:
    """`claim_p99_ms`, `claim_p50_ms` on the long queue, and `long_vs_short`: its median beside the short one's."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = open_database(Settings(data_dir=folder, database_url=None))
        stack.callback(database.close)
        migrate.upgrade(database)
        keys = prepare(database, Settings(data_dir=folder, database_url=None), tasks, reviewers)
        figures: dict[str, list[float]] = {}
        with served("api.app:app", {"FEEDBACK_DATA_DIR": str(folder), "FEEDBACK_GRPC": "false"}) as server:
            asyncio.run(reviewing(server.port, "short", keys, 1))  # the first ones wait for connections
            for _ in range(rounds):
                short = asyncio.run(reviewing(server.port, "short", keys, seconds))
                found = asyncio.run(reviewing(server.port, "long", keys, seconds))
                figures.setdefault("claim_p50_ms", []).append(statistics.median(found))
                figures.setdefault("claim_p99_ms", []).append(statistics.quantiles(found, n=100)[98])
                ratio = statistics.median(found) / statistics.median(short)
                figures.setdefault("long_vs_short", []).append(ratio)
    return summary(figures)


def prepare(database: Database, settings: Settings, tasks: int, reviewers: int) -> list[str]:
    """Two queues with their items, whose inferences are in the log; a key for each reviewer."""
    pepper, known = load_pepper(settings), 1_000
    with Session(database.engine) as session:
        output = {"output_id": "A", "content": {"label": "spam"}}
        told = {"model_version": "m1", "inputs": {"text": "measured " * 50}, "outputs": [output]}
        names = [f"i-{number}" for number in range(known)]
        facts = [Fact(1, "inference", name, {"inference_request_id": name, **told}, utc_now()) for name in names]
        log.append(session, facts, utc_now(), pepper)
        session.commit()
        session.execute(text("DROP INDEX review_tasks_by_item"))  # a thousand inferences stand for all
        for name, count in (("short", SHORT), ("long", tasks)):
            queue = ReviewQueue(queue_id=name, overlap=3)
            ProjectQueues(session, 1).define(queue, Decider("benchmark", pepper), True, utc_now())
            session.execute(FILL, {"queue": name, "count": count, "known": known})
        keys = [create(session, "default", ["review"], utc_now()).key for _ in range(reviewers)]
        session.commit()
        session.execute(text("ANALYZE review_tasks"))
        session.commit()
    return keys


async def reviewing(port: int, queue: str, keys: list[str], seconds: int) -> list[float]:
    """Milliseconds that each claim took, of reviewers who claim once a second, each at a moment of their own."""
    found: list[float] = []
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, limits=limits) as client:
        starts = time.perf_counter()
        tasks = [one(client, queue, key, starts + n / len(keys), seconds, found) for n, key in enumerate(keys)]
        await asyncio.gather(*tasks)
    return found


async def one(client: httpx.AsyncClient, queue: str, key: str, starts: float, seconds: int, found: list[float]) -> None:
    """One reviewer."""
    headers = {"Authorization": f"Bearer {key}"}
    for second in range(seconds):
        await asyncio.sleep(max(0.0, starts + second - time.perf_counter()))
        began = time.perf_counter()
        answer = await client.post(f"/v1/review/queues/{queue}/claim", json={}, headers=headers)
        found.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        task = answer.json()["task"]
        said = {"lease_id": task["lease_id"], "value": {"label": "spam"}}
        (await client.post(f"/v1/review/tasks/{task['task_id']}/submit", json=said, headers=headers)).raise_for_status()
