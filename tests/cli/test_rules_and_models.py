"""Rules and models from the shell: a file is applied whole or not at all, and what a person moves is a fact."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session
from typer.testing import CliRunner

from feedback_cli.main import build
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import FeedbackError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import get_settings
from feedback_loop.registry.champions import promote
from feedback_loop.registry.shelf import RegisteredModel

GOOD = """
rules:
  - rule_id: mood
    metric: satisfaction
    comparison: below
    threshold: 0.6
    window_s: 600
    actions: [alert, rollback_request]
"""


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `feedback …` in this process on the module's database; its JSON lines, or the error's words."""
    monkeypatch.setenv("FEEDBACK_DATABASE_URL", database.url)
    monkeypatch.setenv("FEEDBACK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FEEDBACK_PEPPER", "pepper of the tests, long enough")
    get_settings.cache_clear()

    def call(*words: str) -> Any:
        done = CliRunner().invoke(build(), [*words, "--json"])
        if isinstance(done.exception, FeedbackError):
            return done.exception.detail
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one rule."""
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    return path


def test_a_file_is_applied_once(run: Any, file: Path) -> None:
    """Anew it changes nothing; listed beside the default; tried on the log; taken back."""
    applied, again = run("rules", "apply", str(file)), run("rules", "apply", str(file))
    listed = run("rules", "list")
    tried = run("rules", "backtest", "mood", "--file", str(file))
    removed = run("rules", "remove", "mood")

    assert (applied, again) == (
        [{"defined": ["mood"], "unchanged": []}],
        [{"defined": [], "unchanged": ["mood"]}],
    )
    assert {rule["rule_id"]: rule["version"] for rule in listed} == {"accuracy_floor": 0, "mood": 1}
    assert tried[0]["fired"] == 0
    assert removed == [{"removed": "mood"}]
    assert [rule["rule_id"] for rule in run("rules", "list")] == ["accuracy_floor"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD.replace("0.6", "6"), "/rules/0/threshold: out-of-range"),
        (GOOD.replace("satisfaction", "weather"), "/rules/0/metric: not-registered (name a metric of GET /v1/metrics)"),
        (GOOD.replace("window_s", "window"), "/rules/0/window: unknown-field"),
        (GOOD + GOOD.partition("rules:\n")[2], "defines a rule_id twice"),
        ("rules: [", "is not YAML in line"),
        ("- a", "holds no list under the one name `rules`"),
    ],
)
def test_a_bad_file_names_place_and_remedy(run: Any, file: Path, content: str, said: str) -> None:
    """And nothing of it is defined."""
    file.write_text(content)

    assert said in run("rules", "apply", str(file))
    assert "mood" not in [rule["rule_id"] for rule in run("rules", "list")]


def test_a_person_moves_a_champion(run: Any, database: Database, pepper: Pepper) -> None:
    """Back, held, forward again by name; what cannot be is said in words."""
    with Session(database.engine) as session:
        for version in ("a", "b"):
            promote(session, RegisteredModel(1, "digits", version), "test", utc_now(), pepper)
        session.commit()

    back, held = run("models", "rollback", "digits"), run("models", "hold", "digits")
    forward = run("models", "promote", "digits", "b")
    freed = run("models", "release", "digits")
    listed = {one["model_version"]: one["serves"] for one in run("models", "list")}

    assert back == [{"model_name": "digits", "model_version": "a"}]
    assert (held[0]["is_held"], freed[0]["is_held"]) == (True, False)
    assert forward == [{"model_name": "digits", "model_version": "b"}]
    assert listed == {"a": False, "b": True}
    assert "is not on the shelf" in run("models", "promote", "digits", "c")
    assert "no version serves yet" in run("models", "rollback", "none")
    wanted = text("SELECT body::jsonb ->> 'actor' FROM staging.feedback_events WHERE kind = 'model_rolled_back'")
    with database.engine.connect() as connection:
        assert list(connection.execute(wanted).scalars()) == ["command-line"]
