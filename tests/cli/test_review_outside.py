"""`feedback review label-studio` and `ground-truth`: one line a queue or job, and what to set where nothing is."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feedback_cli.main import build
from feedback_ingest.canonical import Pepper
from feedback_ingest.errors import SetupError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import get_settings
from feedback_loop.learning.reviewing import ReviewQueue
from tests.review.reviewers import Office
from tests.review.studios import TOKEN, double


@pytest.fixture(autouse=True)
def known(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command finds in its environment."""
    monkeypatch.setenv("FEEDBACK_DATABASE_URL", database.url)
    monkeypatch.setenv("FEEDBACK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FEEDBACK_PEPPER", "pepper of the tests, long enough")


def test_an_exchange_is_told_by_queue(database: Database, pepper: Pepper, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent, and by outcome what came back."""
    office = Office(database, pepper, ReviewQueue(queue_id="mail", options=["cat"], judged_in="label_studio"))
    office.open(2)
    with double() as studio:
        monkeypatch.setenv("FEEDBACK_LABEL_STUDIO_URL", studio.url)
        monkeypatch.setenv("FEEDBACK_LABEL_STUDIO_TOKEN", TOKEN)
        get_settings.cache_clear()
        first = CliRunner().invoke(build(), ["review", "label-studio", "--json"])
        studio.annotate(1, 7, "cat")
        second = CliRunner().invoke(build(), ["review", "label-studio"])

    assert json.loads(first.stdout) == {"project": "default", "queue": "mail", "sent": 2}
    assert second.stdout == "default/mail  sent 0; 1 decided\n"


@pytest.mark.parametrize(
    ("tool", "says"), [("label-studio", "LABEL_STUDIO_URL"), ("ground-truth", "GROUND_TRUTH_PLACE")]
)
def test_what_is_not_set_is_told(tool: str, says: str) -> None:
    """By the name of what to set."""
    found = CliRunner().invoke(build(), ["review", tool])

    assert isinstance(found.exception, SetupError) and says in found.exception.detail
