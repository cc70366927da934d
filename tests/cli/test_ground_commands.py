"""The commands of the ground as an operator or a script meets them: real processes, real answers, exit codes."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from tests.ports import free_port
from tests.support.partitions import small_partitions

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RESTORE = """
INSERT INTO staging.feedback_events (log_offset, project_id, kind, id, received_at, occurred_at, body)
SELECT 6, project_id, kind, 'restored', received_at, occurred_at, body FROM staging.feedback_events LIMIT 1
"""


@pytest.fixture
def feedback(database: Database, tmp_path: Path) -> Run:
    """Runs `feedback …` on the module's database."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        known = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(tmp_path)}
        known |= {"FEEDBACK_PEPPER": "pepper of the tests, long enough"}
        command = [sys.executable, "-m", "feedback_cli", *arguments]
        environment = os.environ | known | settings
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return run


def answer(done: "subprocess.CompletedProcess[str]") -> Any:
    """The JSON a command that succeeded printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def facts(database: Database, count: int, label: str) -> None:
    """Facts in the log that no consumer reads."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    with Session(database.engine) as session:
        made = [Fact(1, "dataset_compiled", f"d{n}-{count}-{label}", {"n": n}, now) for n in range(count)]
        log.append(session, made, now, Pepper(b"pepper of the tests, long enough"))
        session.commit()


def test_migrate_and_keys_speak_json(feedback: Run) -> None:
    """A script can stand a system up: migrate, create, list, revoke, each with one JSON line."""
    assert answer(feedback("migrate", "--json"))["schema"]
    made = answer(feedback("keys", "create", "--scope", "ingest", "--scope", "read", "--json"))
    listed = feedback("keys", "list", "--json").stdout
    revoked = answer(feedback("keys", "revoke", made["id"], "--json"))

    assert made["key"].startswith(f"fk_live_{made['id']}_")
    assert made["id"] in listed and made["key"] not in listed
    assert revoked == {"revoked": made["id"]}


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        (("keys", "create", "--scope", "everything"), {}, "unknown scope everything"),
        (("keys", "create", "--expires-at", "soon"), {}, "--expires-at takes an RFC 3339 time"),
        (("keys", "create", "--project", "none"), {}, "there is no project 'none'"),
        (("keys", "revoke", "f" * 16), {}, "feedback keys list"),
        (("migrate",), {"FEEDBACK_DATABASE_URL": "nonsense"}, "FEEDBACK_DATABASE_URL"),
        (("migrate",), {"FEEDBACK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "cannot be reached"),
        (("api", "--only", "everything"), {}, "--only takes `ingest`"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    feedback: Run, arguments: tuple[str, ...], settings: dict[str, str], says: str
) -> None:
    """What is wrong and what to do, on stderr, exit code 1, no stack."""
    done = feedback(*arguments, **settings)

    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_taken_port_is_told(feedback: Run) -> None:
    """Whoever listens there would answer in our place."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = feedback("api", "--port", str(taken.getsockname()[1]))

    assert done.returncode == 1
    assert "choose another" in done.stderr and "Traceback" not in done.stderr


def test_the_log_is_read_and_verified(feedback: Run, database: Database) -> None:
    """Events in order from any offset; a missing one is found."""
    facts(database, 20, "first")

    read = feedback("log", "read", "--from", "5", "--limit", "3", "--json").stdout.splitlines()
    whole = answer(feedback("log", "verify", "--json"))

    assert [json.loads(line)["log_offset"] for line in read] == [5, 6, 7]
    assert whole["is_whole"]
    with database.engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text("DELETE FROM staging.feedback_events WHERE log_offset = 6"))
    broken = feedback("log", "verify")
    assert (broken.returncode, "NOT whole" in broken.stdout) == (1, True)
    with database.engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text(RESTORE))


def test_old_partitions_are_sealed(feedback: Run, database: Database, tmp_path: Path) -> None:
    """What is old and full goes into files, after a dry run that says so; the log reads, and verifies, as before."""
    small_partitions(database, 20)
    facts(database, 45, "sealed")
    read = ("log", "read", "--from", "15", "--limit", "100", "--json")
    before = feedback(*read).stdout
    young = answer(feedback("log", "seal", "--older-than", "36500", "--json"))
    dry = answer(feedback("log", "seal", "--dry-run", "--json"))
    done = answer(feedback("log", "seal", "--json"))

    assert young["segments"] == []
    for told in (dry, done):
        assert [(one["first_offset"], one["last_offset"]) for one in told["segments"]] == [(1, 20), (21, 40)]
    assert len(before.splitlines()) == 31 and feedback(*read).stdout == before
    assert "2 sealed segments" in feedback("doctor", "--only", "log").stdout
    whole = answer(feedback("log", "verify", "--json"))
    assert (whole["is_whole"], whole["rows"], whole["sealed_through"]) == (True, 45, 40)
    manifest = json.loads(next(tmp_path.glob("sealed/log-000000000021-*.json")).read_text())
    assert manifest["sha256"] == done["segments"][1]["sha256"]
    next(tmp_path.glob("sealed/*.parquet")).unlink()
    broken = feedback("log", "verify")
    assert (broken.returncode, "is missing" in broken.stdout) == (1, True)


def test_doctor_names_what_is_missing(feedback: Run) -> None:
    """Healthy things are ok with figures, missing processes are BAD with the command that starts them."""
    port = str(free_port())
    done = feedback("doctor", FEEDBACK_API_PORT=port, FEEDBACK_DAGSTER_PORT=port)

    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert done.returncode == 1
    assert lines["database"].startswith("ok") and lines["schema"].startswith("ok")
    assert "MiB free" in lines["disk"]
    assert lines["api"].startswith("BAD") and "feedback api" in lines["api"]
    assert lines["dagster"].startswith("BAD") and "feedback dagster" in lines["dagster"]
