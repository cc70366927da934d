"""`feedback import`: the same verdicts as at the door, nothing stored twice, and on again after a kill."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from feedback_cli.main import main
from feedback_ingest.administration import Administration
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider, decided
from feedback_ingest.postgres import Database
from feedback_ingest.settings import get_settings
from feedback_ingest.tables import QuarantinedItem
from tests.support.waiting import wait_for

Make = Callable[[str], int]
Run = Callable[..., tuple[int, dict[str, Any], str]]
UUID = "01890A5D-AC96-774B-BCCE-B302099A8057"
AGO = (datetime.now(UTC) - timedelta(days=500)).isoformat()


def inference(number: int, **more: Any) -> dict[str, Any]:
    """A logged inference."""
    return {
        "inference_request_id": f"r-{number}",
        "model_version": "m-1",
        "outputs": [{"output_id": "A", "content": {"label": "cat"}}],
        **more,
    }


def feedback(number: int, **more: Any) -> dict[str, Any]:
    """Feedback without an id."""
    return {
        "inference_request_id": f"r-{number}",
        "model_version": "m-1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": number % 2 == 0},
        **more,
    }


def write(path: Path, *events: Any) -> Path:
    """A file of one event a line, gzip where it is called so; text goes in as it is."""
    lines = "".join((event if isinstance(event, str) else json.dumps(event)) + "\n" for event in events)
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return path


def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    """The settings of an import on the module's database."""
    known = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(tmp_path / "data")}
    return known | {"FEEDBACK_PEPPER": "pepper of the tests, long enough"}


@pytest.fixture
def make_project(session: Session, pepper: Pepper) -> Make:
    """Makes a project; its number."""

    def make(name: str) -> int:
        project = Administration(session, Decider("test", pepper), utc_now()).create_project(name)
        session.commit()
        return project.project_id or 0

    return make


@pytest.fixture
def command(database: Database, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts `feedback import …` on the module's database."""

    def start(*arguments: Any) -> "subprocess.Popen[str]":
        known = environment(database, tmp_path)
        given = [sys.executable, "-m", "feedback_cli", "import", *map(str, arguments)]
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(given, env=os.environ | known, **pipes)

    return start


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `feedback import … --json` in this process: exit code, summary, stderr."""
    for name, value in environment(database, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "400")
    get_settings.cache_clear()

    def run(*arguments: Any) -> tuple[int, dict[str, Any], str]:
        monkeypatch.setattr(sys, "argv", ["feedback", "import", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), json.loads(out) if out else {}, err

    return run


def stored(database: Database, project: int) -> list[tuple[str, str]]:
    """Kind and body of a project's events, in the log's order."""
    wanted = (
        "SELECT kind, body FROM staging.feedback_events WHERE project_id = :p AND kind IN ('feedback', 'inference')"
    )
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(wanted + " ORDER BY log_offset"), {"p": project})]


def held(database: Database, project: int) -> list[tuple[str, str, bytes]]:
    """Kind, code and body of what the quarantine holds of a project."""
    with Session(database.engine) as session:
        rows = session.exec(select(QuarantinedItem).where(QuarantinedItem.project_id == project))
        return sorted((row.kind, row.code, bytes(row.body)) for row in rows)


def counts(summary: dict[str, Any]) -> dict[str, int]:
    """The five figures of a summary."""
    return {name: summary[name] for name in ("sent", "accepted", "duplicate", "conflict", "refused")}


def test_a_second_import_stores_nothing_twice(run: Run, make_project: Make, database: Database, tmp_path: Path) -> None:
    """Inferences and feedback of one file, plain and gzip, with ids and without: known the second time."""
    project = make_project("twice")
    plain = write(tmp_path / "a.jsonl", inference(1), feedback(1), feedback(1), feedback(2, feedback_id=UUID))
    packed = write(tmp_path / "b.jsonl.gz", inference(2), "", inference(2, model_version="m-2"))

    first = run(plain, packed, "--project", "twice")
    log = stored(database, project)
    second = run(plain, packed, "--project", "twice")

    assert counts(first[1]) == {"sent": 6, "accepted": 5, "duplicate": 0, "conflict": 1, "refused": 0}
    assert counts(second[1]) == {"sent": 6, "accepted": 0, "duplicate": 5, "conflict": 1, "refused": 0}
    assert (first[0], second[0]) == (1, 1), "an event that is not stored is told by the exit code"
    assert f"{packed}:3 inference-id-conflict" in first[2]
    assert stored(database, project) == log
    assert [kind for kind, _ in log] == ["inference", "feedback", "feedback", "feedback", "inference"]


def test_a_file_that_has_grown_brings_only_what_is_new(
    run: Run, make_project: Make, database: Database, tmp_path: Path
) -> None:
    """Feedback without an id is named by the lines up to its own, so a log that goes on keeps its events' names."""
    project = make_project("grown")
    file = write(tmp_path / "log.jsonl", feedback(1), feedback(2))
    run(file, "--project", "grown")

    write(file, feedback(1), feedback(2), feedback(3))
    code, summary, _ = run(file, "--project", "grown")

    assert (code, counts(summary)) == (0, {"sent": 3, "accepted": 1, "duplicate": 2, "conflict": 0, "refused": 0})
    assert len(stored(database, project)) == 3


def test_bad_lines_are_told_and_held_and_their_neighbours_stored(
    run: Run, make_project: Make, database: Database, tmp_path: Path
) -> None:
    """Each with file, line, code and pointer, never its content; what the door would hold is held once, not twice."""
    project = make_project("bad")
    secret = "do-not-repeat-me"
    both = {**feedback(4), **inference(4)}
    file = write(
        tmp_path / "bad.jsonl",
        inference(1),
        "{" + secret,
        feedback(1, rationale=7, metadata={"a": secret}),
        {"inference_request_id": "r-9", "note": secret},
        both,
        inference(2, outputs=[]),
        f'{{"note": "{secret * 20_000}"}}',
        feedback(1),
    )

    code, summary, told = run(file, "--project", "bad")
    before = held(database, project)
    again = run(file, "--project", "bad")

    assert (code, again[0]) == (1, 1)
    assert counts(summary) == {"sent": 8, "accepted": 2, "duplicate": 0, "conflict": 0, "refused": 6}
    assert f"{file}:2 malformed-json" in told
    assert f"{file}:3 validation-failed: /rationale wrong-type" in told
    assert f"{file}:4 validation-failed: " in told and "this line has neither" in told
    assert f"{file}:5 validation-failed: /outputs unknown-field" in told and "this line has both" in told
    assert f"{file}:6 validation-failed: /outputs too-short" in told
    assert f"{file}:7 event-too-large" in told
    assert secret not in told
    assert [(kind, code) for kind, code, _ in before] == [("feedback", "validation-failed")] * 3 + [
        ("inference", "validation-failed")
    ]
    assert held(database, project) == before


def test_old_events_need_backfill_and_the_import_is_on_record(
    run: Run, make_project: Make, session: Session, tmp_path: Path
) -> None:
    """What is older than 400 days is refused, save with --backfill; each finished file is a decision in the log."""
    project = make_project("old")
    file = write(tmp_path / "old.jsonl", inference(1, occurred_at=AGO), feedback(1, occurred_at=AGO))

    refused = run(file, "--project", "old")
    let_in = run(file, "--project", "old", "--backfill")

    assert (refused[0], refused[1]["refused"], let_in[0], let_in[1]["accepted"]) == (1, 2, 0, 2)
    facts = decided(session, project, None, 10, ("events_imported",))
    assert [(fact.body["actor"], fact.body["subject"], fact.body["backfill"]) for fact in facts] == [
        ("command-line", "old.jsonl", True), ("command-line", "old.jsonl", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [(None, (), "cannot read"), ("{}", ("--project", "nobody"), "nobody"), (b"\x1f\x8bgarbage", (), "after line 0")],
)
def test_what_cannot_be_imported_is_told_in_one_line(
    run: Run, tmp_path: Path, content: str | bytes | None, arguments: tuple[str, ...], says: str
) -> None:
    """No such file, no such project, a damaged file: one line with the remedy, exit code 1, no traceback."""
    file = tmp_path / "file.jsonl"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    code, summary, told = run(file, *arguments)

    assert (code, summary) == (1, {})
    assert says in told and "Traceback" not in told


def test_a_killed_import_goes_on_and_leaves_the_same_log(
    command: Callable[..., "subprocess.Popen[str]"], run: Run, make_project: Make, database: Database, tmp_path: Path
) -> None:
    """kill -9 in the middle, then the same command: the log and the quarantine of an import that nobody killed."""
    whole, killed = make_project("whole"), make_project("killed")
    bad = [feedback(n, confidence=n) for n in range(2, 40)]
    events = [inference(n) for n in range(300)] + [feedback(n) for n in range(300)] + bad
    file = write(tmp_path / "log.jsonl.gz", *events)
    run(file, "--project", "whole")

    dying = command(file, "--project", "killed", "--rate", "400")
    bookmarks = tmp_path / "data" / "imports"
    wait_for(lambda: len(stored(database, killed)) >= 160 and any(bookmarks.glob("*.json")), what="the first chunks")
    dying.send_signal(signal.SIGKILL)
    dying.communicate(timeout=20)
    reached = len(stored(database, killed))
    code, summary, _ = run(file, "--project", "killed")

    assert 160 <= reached < 600, "it was killed in the middle"
    [told] = summary["files"]
    assert told["resumed_after_line"] >= 80, "what was told as stored is not sent again"
    assert counts(summary)["sent"] == len(events), "the summary is of the whole import, before and after the kill"
    assert (code, summary["refused"], summary["conflict"]) == (1, len(bad), 0)
    assert stored(database, killed) == stored(database, whole)
    assert held(database, killed) == held(database, whole)
    assert not list(bookmarks.glob("*")), "a finished import leaves no bookmark"
