"""Rollbacks: from the acknowledgement of a breaching event until a long-polling client has the old version."""

import json
import secrets
import subprocess
import sys
from asyncio import run as run_async
from collections.abc import Callable, Mapping

from sqlmodel import Session

from benchmarks.breaches import SAMPLES
from benchmarks.load import open_loop
from benchmarks.servers import ROOT, served
from feedback_ingest.canonical import load_pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.keys import create
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.rules import Rule
from feedback_loop.registry.champions import promote
from feedback_loop.registry.shelf import RegisteredModel
from feedback_loop.stream.ruling.rule_book import ProjectRules

RULE = Rule(
    rule_id="takes-back", metric="accuracy", comparison="below", threshold=0.8, window_s=60, min_samples=SAMPLES,
    actions=["alert", "rollback_request"],
)  # fmt: skip
BREACHES_PER_S = 15.0
LEAD_S = 1.0


def effective_ms(
    database: Database,
    settings: Settings,
    port: int,
    environment: Mapping[str, str],
    background: Callable[[], bytes],
    breaches: int,
) -> list[float]:
    """Milliseconds of each of so many breaches, while `background` sends 1,000 events a second through the same door.

    Every breach is of a model of its own, which one serving client follows by a long poll. Raises RuntimeError where a
    client did not get the old version, or an event of the background was not taken.
    """
    prefix = secrets.token_hex(4)
    key = _prepare(database, settings, prefix, breaches)
    with served("api.app:app", {**environment, "FEEDBACK_GRPC": "false"}) as pages:
        words = [sys.executable, "-m", "benchmarks.serving", str(port), str(pages.port), key, prefix, str(breaches)]
        with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as apart:
            assert apart.stdin is not None and apart.stdout is not None
            apart.stdout.readline()
            apart.stdin.write("begin\n")
            apart.stdin.flush()
            load = run_async(open_loop(port, background, 64, 1_000, breaches / BREACHES_PER_S + LEAD_S))
            told: list[float] = json.loads(apart.stdout.readline() or "[]")
    if load.refused or len(told) != breaches:
        raise RuntimeError(f"{load.refused} events were refused, {len(told)} of {breaches} models went back")
    return told


def _prepare(database: Database, settings: Settings, prefix: str, models: int) -> str:
    """The rule, and models of which `old` served and `new` does; a key for their clients."""
    pepper, now = load_pepper(settings), utc_now()
    with Session(database.engine) as session:
        ProjectRules(session, 1, []).define(RULE, Decider("benchmark", pepper), now)
        key = create(session, "default", ["ingest", "read"], now, None).key
        session.commit()
        for number in range(models):
            for version in ("old", "new"):
                promote(session, RegisteredModel(1, f"{prefix}-{number}", version), "benchmark", now, pepper)
            session.commit()
    return key
