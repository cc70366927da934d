"""Alerts: from the acknowledgement of an event that crosses a threshold to the first byte of the webhook about it."""

import json
import subprocess
import sys
from asyncio import run as run_async
from collections.abc import Callable
from typing import Any

from sqlmodel import Session

from benchmarks.breaches import SAMPLES
from benchmarks.load import open_loop
from benchmarks.servers import ROOT
from feedback_ingest.canonical import load_pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.webhooks.endpoints import Endpoints
from feedback_loop.stream.webhooks.sealing import Sealer
from feedback_loop.stream.webhooks.targets import Allowed, parse

LOOPBACK = "127.0.0.1"
ENVIRONMENT = {"FEEDBACK_WEBHOOK_ALLOW": LOOPBACK, "FEEDBACK_RULE_MIN_SAMPLES": str(SAMPLES)}
"""What the measured stream is started with: its receiver is here, and five answers are enough to judge a version."""

BREACHES_PER_S = 15.0
LEAD_S = 1.0


def alert_latencies_ms(
    database: Database, settings: Settings, port: int, key: str, background: Callable[[], bytes], breaches: int
) -> list[float]:
    """Milliseconds of each of so many breaches, while `background` sends 1,000 events a second through the same door.

    Raises RuntimeError where a breach was not told, or an event of the background not taken.
    """
    words = [sys.executable, "-m", "benchmarks.breaches", str(port), key, str(breaches), str(BREACHES_PER_S)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as apart:
        assert apart.stdin is not None and apart.stdout is not None
        _subscribe(database, settings, int(apart.stdout.readline()))
        apart.stdin.write("begin\n")
        apart.stdin.flush()
        load = run_async(open_loop(port, background, 64, 1_000, breaches / BREACHES_PER_S + LEAD_S))
        told: dict[str, Any] = json.loads(apart.stdout.readline() or "{}")
    if load.refused or len(told) != breaches:
        raise RuntimeError(f"{load.refused} events were refused, {len(told)} of {breaches} breaches told")
    return list(told.values())


def _subscribe(database: Database, settings: Settings, port: int) -> None:
    pepper = load_pepper(settings)
    with Session(database.engine) as session:
        mine = Endpoints(session, Sealer(pepper), Decider("benchmark", pepper), 1, utc_now())
        mine.create(parse(f"http://{LOOPBACK}:{port}/", Allowed.read(LOOPBACK)), ["metric.breached"], "standard", "")
        session.commit()
