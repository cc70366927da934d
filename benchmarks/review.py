"""Review: how long fifty reviewers wait for their next item, on a queue of a million and on a short one by turns.

Each claims once a second over HTTP, and then submits; three are asked for each item. Then how soon what the stream
flags can be claimed, and how soon a verdict stands in the log. Everything runs on one machine.
"""

import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
from sqlalchemy import text
from sqlmodel import Session

from benchmarks.servers import served
from benchmarks.stream import streaming, summary
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
FLAGGED = 100
VERDICT = """
SELECT count(*) FROM staging.feedback_events WHERE inference_request_id = %s AND feedback_type = 'review_label'
"""
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


def measure(
    rounds: int, seconds: int, tasks: int, reviewers: int = REVIEWERS, flagged: int = FLAGGED
) -> dict[str, Any]:
    """`claim_p99_ms`, `claim_p50_ms` on the long queue, and `long_vs_short`: its median beside the short one's.

    `flagged_to_claimable_p99_ms` from a report's acknowledgement, `verdict_to_log_p99_ms` from a label's sending.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = open_database(Settings(data_dir=folder, database_url=None))
        stack.callback(database.close)
        migrate.upgrade(database)
        keys = prepare(database, Settings(data_dir=folder, database_url=None), tasks, reviewers)
        figures: dict[str, list[float]] = {}
        environment = {"FEEDBACK_DATA_DIR": str(folder), "FEEDBACK_GRPC": "false"}
        with served("api.app:app", environment) as server:
            asyncio.run(reviewing(server.port, "short", keys, 1))  # the first ones wait for connections
            for _ in range(rounds):
                short = asyncio.run(reviewing(server.port, "short", keys, seconds))
                found = asyncio.run(reviewing(server.port, "long", keys, seconds))
                figures.setdefault("claim_p50_ms", []).append(statistics.median(found))
                figures.setdefault("claim_p99_ms", []).append(statistics.quantiles(found, n=100)[98])
                ratio = statistics.median(found) / statistics.median(short)
                figures.setdefault("long_vs_short", []).append(ratio)
            with streaming(environment):
                told = reported(database, server.port, flagged)
            figures |= {name: [statistics.quantiles(found, n=100)[98]] for name, found in told.items()}
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


def reported(database: Database, port: int, count: int) -> dict[str, list[float]]:
    """Milliseconds until a reviewer has each of so many reports of harm, and until the verdict on it stands in the log.

    One comes after the other; one more comes first, which waits for the stream to start.
    """
    with Session(database.engine) as session:
        key = create(session, "default", ["ingest", "review"], utc_now()).key
        session.commit()
    told: dict[str, list[float]] = {"flagged_to_claimable_p99_ms": [], "verdict_to_log_p99_ms": []}
    headers = {"Authorization": f"Bearer {key}"}
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as client,
        psycopg.connect(database.asyncpg_dsn, autocommit=True) as connection,
    ):
        for number in range(-1, count):
            name = f"reported-{number}"
            report = {"feedback_type": "safety_flag", "feedback_value": {"category": "harm", "severity": 4}}
            about = {"inference_request_id": name, "model_version": "m1"}
            output = {"output_id": "A", "content": {"label": "spam"}}
            client.post("/v1/inferences", json={**about, "outputs": [output]}).raise_for_status()
            client.post("/v1/feedback", json={**about, **report}).raise_for_status()
            began, task = time.perf_counter(), None
            while task is None:
                task = client.post("/v1/review/queues/default/claim", json={}).json()["task"]
            told["flagged_to_claimable_p99_ms"].append((time.perf_counter() - began) * 1000)
            said, began = {"lease_id": task["lease_id"], "value": {"label": "spam"}}, time.perf_counter()
            client.post(f"/v1/review/tasks/{task['task_id']}/submit", json=said).raise_for_status()
            while connection.execute(VERDICT, [name]).fetchone() != (1,):
                pass
            told["verdict_to_log_p99_ms"].append((time.perf_counter() - began) * 1000)
    return {name: found[1:] for name, found in told.items()}
