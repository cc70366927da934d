"""Projects, keys and the quarantine from the shell."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import decided
from feedback_ingest.postgres import Database
from feedback_ingest.tables import Project, QuarantinedItem

Run = Callable[..., "subprocess.CompletedProcess[str]"]
EVENT = {
    "feedback_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "inference_request_id": "r",
    "model_version": "m",
    "feedback_type": "explicit_binary",
    "feedback_value": {"positive": True},
}


@pytest.fixture
def feedback(database: Database, tmp_path: Path) -> Run:
    """Runs `feedback …` on the module's database."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        known = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(tmp_path)}
        known |= {"FEEDBACK_PEPPER": "pepper of the tests, long enough"}
        command = [sys.executable, "-m", "feedback_cli", *arguments]
        return subprocess.run(command, env=os.environ | known, capture_output=True, text=True, timeout=60)

    return run


def lines(done: "subprocess.CompletedProcess[str]") -> list[Any]:
    """A successful command's JSON lines."""
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_tenant_is_made_and_changed(feedback: Run, session: Session) -> None:
    """A project, its keys with limits and origins, a rotation: each a fact that says the shell did it."""
    made = lines(feedback("projects", "create", "shop", "--events-per-day", "5", "--json"))[0]
    key = ("keys", "create", "--project", "shop", "--scope", "ingest:public", "--origin", "https://shop.example")
    public = lines(feedback(*key, "--events-per-minute", "9", "--json"))[0]
    rotated = lines(feedback("keys", "rotate", public["id"], "--overlap-h", "1", "--json"))[0]
    feedback("projects", "quota", "shop")
    listed = lines(feedback("projects", "list", "--json"))
    keys = {row["key_id"]: row for row in lines(feedback("keys", "list", "--json"))}

    assert made["events_per_day"] == 5
    assert {row["name"]: row["events_per_day"] for row in listed} == {"default": None, "shop": None}
    assert keys[rotated["id"]]["origins"] == ["https://shop.example"]
    assert keys[rotated["id"]]["events_per_minute"] == 9
    assert keys[public["id"]]["expires_at"] is not None
    project_id = session.exec(select(Project.project_id).where(Project.name == "shop")).one()
    facts = decided(session, project_id or 0, None, 10)
    assert [fact.kind for fact in facts] == [
        "project_changed", "credential_rotated", "credential_created", "project_created",
    ]  # fmt: skip
    assert {fact.body["actor"] for fact in facts} == {"command-line"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("projects", "create", "default"), "already"),
        (("projects", "create", "No Name"), "a-z"),
        (("projects", "quota", "nobody"), "feedback projects list"),
        (("keys", "create", "--scope", "ingest:public", "--origin", "shop.example"), "is no origin"),
        (("keys", "rotate", "f" * 16), "feedback keys list"),
        (("quarantine", "replay"), "--all"),
        (("quarantine", "list", "--status", "gone"), "--status takes"),
    ],
)
def test_a_mistake_is_told_in_one_line(feedback: Run, arguments: tuple[str, ...], says: str) -> None:
    """What is wrong and what to do, exit code 1."""
    done = feedback(*arguments)

    assert (done.returncode, says in done.stderr) == (1, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_quarantine_from_the_shell(feedback: Run, session: Session) -> None:
    """List, show, replay through the normal path, discard; what stays held makes the exit code 1."""
    bodies = [EVENT, EVENT | {"feedback_type": "love", "user_context": {"user_id": "carol"}}]
    for body in bodies:
        session.add(
            QuarantinedItem(
                project_id=1,
                kind="feedback",
                key_id="k",
                received_at=utc_now(),
                code="validation-failed",
                faults=[{"pointer": "/feedback_type", "code": "not-allowed"}],
                body=json.dumps(body).encode(),
            )
        )
    session.commit()
    bad, good = (row["id"] for row in lines(feedback("quarantine", "list", "--json")))

    shown = json.loads(feedback("quarantine", "show", bad, "--json").stdout)
    replayed = lines(feedback("quarantine", "replay", good, "--json"))
    refused = feedback("quarantine", "replay", "--all", "--json")
    discarded = lines(feedback("quarantine", "discard", bad, "--json"))

    assert shown["event"]["feedback_type"] == "love" and "carol" not in json.dumps(shown)
    assert (replayed[0]["status"], replayed[0]["event_id"]) == ("accepted", EVENT["feedback_id"])
    assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, "validation-failed")
    assert discarded == [{"id": bad, "status": "discarded"}]
    assert lines(feedback("quarantine", "list", "--json")) == []
    found = "SELECT count(*) FROM staging.feedback_events WHERE id = :id"
    assert session.execute(text(found), {"id": EVENT["feedback_id"]}).scalar_one() == 1
