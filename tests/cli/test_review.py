"""Review from the shell: a file's queues and policies are applied whole or not at all, and once."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from feedback_cli.main import build
from feedback_ingest.errors import FeedbackError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import get_settings

GOOD = """
queues: [{queue_id: mail, options: [spam, ham], overlap: 3}]
policies: [{policy_id: audit, reason: random_audit, share: 0.05, queue_id: mail}]
"""


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `feedback review …` in this process; its JSON lines, or the error's words."""
    monkeypatch.setenv("FEEDBACK_DATABASE_URL", database.url)
    monkeypatch.setenv("FEEDBACK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FEEDBACK_PEPPER", "pepper of the tests, long enough")
    get_settings.cache_clear()

    def call(*words: str) -> Any:
        done = CliRunner().invoke(build(), ["review", *words, "--json"])
        if isinstance(done.exception, FeedbackError):
            return done.exception.detail
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    return call


def test_a_file_says_who_looks_at_what(run: Any, tmp_path: Path) -> None:
    """Queues and policies are there, listed with the default, the same when applied again, and taken back."""
    file = tmp_path / "review.yaml"
    file.write_text(GOOD)

    assert [run("apply", str(file)) for _ in range(2)] == [[{"queues": ["mail"], "policies": ["audit"]}]] * 2
    assert [(each["policy_id"], each["version"]) for each in run("policies")] == [("audit", 1), ("safety", 0)]
    [stats] = run("stats", "mail")
    assert (stats["queue_id"], stats["waiting"], stats["reviewers"]) == ("mail", 0, [])
    assert run("remove", "audit") == [{"removed": "audit"}]
    assert [each["policy_id"] for each in run("policies")] == ["safety"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD.replace("share: 0.05, ", ""), "/policies/0/share: required (give it)"),
        (GOOD.replace("overlap: 3", "overlap: 0"), "/queues/0/overlap"),
        (GOOD.replace("random_audit", "whim"), "/policies/0/reason: not-allowed"),
        ("rules: []", "must hold `queues:` or `policies:`"),
        ("policies: {a: 1}", "/policies: wrong-type (write a list below it)"),
        ("queues: [", "is not YAML"),
    ],
)
def test_a_bad_file_names_field_and_remedy(run: Any, tmp_path: Path, content: str, said: str) -> None:
    """Nothing of it is applied."""
    file = tmp_path / "review.yaml"
    file.write_text(content)

    assert said in run("apply", str(file))
    assert [each["policy_id"] for each in run("policies")] == ["safety"]
