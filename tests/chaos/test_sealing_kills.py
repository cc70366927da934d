"""Sealing under kill -9: at whatever moment it dies, the log reads the same, and the next run goes on."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.inspection import look_at_log
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.sealed.verifying import faults
from tests.support.partitions import small_partitions

LONG_AGO = datetime(2026, 1, 5, tzinfo=UTC)
PARTITION, EVENTS, KILLS = 2_000, 24_100, 20


def whole(database: Database) -> list[log.LogRow]:
    """Everything that a reader sees."""
    with Session(database.engine) as session:
        return log.read(session, 0, 2 * EVENTS)


def worked_a_while(process: "subprocess.Popen[bytes]", database: Database, chance: random.Random) -> bool:
    """Returns somewhere on the way to the next sealed partition or beyond it; False where it is done by then."""
    wanted = sealed(database) + PARTITION * chance.randint(1, 2)
    ends = time.monotonic() + chance.choice((60, chance.uniform(0.4, 1.0)))
    while process.poll() is None and time.monotonic() < ends and sealed(database) < wanted:
        time.sleep(0.002)
    with suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0, 0.03))
    return process.poll() is None


def sealed(database: Database) -> int:
    """Up to which offset the log is sealed."""
    with Session(database.engine) as session:
        return look_at_log(session).sealed_through


@pytest.mark.chaos
def test_kills_of_sealing_lose_nothing(database: Database, tmp_path: Path, pepper: Pepper) -> None:
    """Killed again and again until it has sealed everything: no event is lost, none is there twice."""
    small_partitions(database, PARTITION)
    with Session(database.engine) as session:
        for first in range(0, EVENTS, 1_000):
            numbers = range(first, min(first + 1_000, EVENTS))
            facts = [Fact(1, "feedback", f"e-{n}", {"text": f"{n} " * 40}, LONG_AGO) for n in numbers]
            log.append(session, facts, LONG_AGO, pepper)
            session.commit()
    before, chance, killed = whole(database), random.Random(0), 0
    settings = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "feedback_cli", "log", "seal", "--older-than", "1", "--json"]

    while killed < KILLS:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.DEVNULL)
        if not worked_a_while(process, database, chance):
            assert process.wait() == 0
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
        assert whole(database) == before
    subprocess.run(command, env=os.environ | settings, check=True, stdout=subprocess.DEVNULL, timeout=120)

    assert killed > 0
    assert whole(database) == before
    with Session(database.engine) as session:
        state = look_at_log(session)
        assert state.is_whole and state.sealed_through == EVENTS // PARTITION * PARTITION
        assert faults(session) == []
