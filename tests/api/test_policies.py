"""Policies over HTTP and from the shell: a default, what a project sets, and what the dry run makes of it."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from feedback_cli.main import build
from feedback_ingest.errors import SetupError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import get_settings
from tests.api.conftest import PEPPER, Client

PATH = "/v1/policies/validation"


@pytest.fixture(scope="module")
def admin(make_key: Callable[..., str]) -> str:
    """A key that may do everything."""
    return make_key("admin", "ingest", "read", "review")


def thumb(**value: Any) -> dict[str, Any]:
    """A thumbs-down."""
    return {
        "feedback_id": str(uuid.uuid4()),
        "inference_request_id": "r-1",
        "model_version": "m",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": False, **value},
    }


def test_a_policy_is_set_and_told(client: Client, admin: str, make_key: Callable[..., str]) -> None:
    """Version 0 until it is set; set again it is the same; who may only read may not set; the dry run knows it."""
    before = client.get(PATH, admin).json()
    free = client.post("/v1/feedback/validate", admin, thumb()).json()["goes_to"]["breaks"]
    made, again = (client.post(PATH, admin, {"negative_has_reason": "block"}) for _ in range(2))
    held = client.post("/v1/feedback/validate", admin, thumb()).json()["goes_to"]["breaks"]
    mute = client.post("/v1/feedback/validate", admin, thumb(comment="too long")).json()["goes_to"]["breaks"]

    assert (before["version"], before["policy"]["negative_has_reason"]) == (0, "off")
    assert (made.status_code, again.status_code, again.json()["version"]) == (201, 200, 1)
    assert made.json()["policy"]["rating_in_range"] == "block"
    assert (free, held, mute) == ([], [{"rule": "negative_has_reason", "level": "block"}], [])
    assert made.json() in client.get("/v1/policies", admin).json()["policies"]
    assert client.post(PATH, make_key("read"), {}).status_code == 403
    assert "policy_set" in {one["kind"] for one in client.get("/v1/audit", admin).json()["decisions"]}


def test_a_wrong_policy_is_refused(client: Client, admin: str) -> None:
    """With the field and what is wrong with it, and nothing changes."""
    before = client.get(PATH, admin).json()
    answer = client.post(PATH, admin, {"negative_has_reason": "maybe", "unheard_of": "warn"})

    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["errors"]} == {"/negative_has_reason", "/unheard_of"}
    assert client.get(PATH, admin).json() == before


def test_a_policy_is_set_from_a_file(
    database: Database, client: Client, admin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the shell as over HTTP; a file that is wrong names the field."""
    monkeypatch.setenv("FEEDBACK_DATABASE_URL", database.url)
    monkeypatch.setenv("FEEDBACK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FEEDBACK_PEPPER", PEPPER)
    get_settings.cache_clear()
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("correction_differs: block\n")
    bad.write_text("correction_differs: perhaps\n")

    done = CliRunner().invoke(build(), ["policies", "set", "validation", str(good), "--json"])
    failed = CliRunner().invoke(build(), ["policies", "set", "validation", str(bad)])
    shown = CliRunner().invoke(build(), ["policies", "show", "validation", "--json"])
    get_settings.cache_clear()

    assert json.loads(done.stdout) == {"kind": "validation", "changed": True}
    assert isinstance(failed.exception, SetupError) and "/correction_differs" in failed.exception.detail
    assert json.loads(shown.stdout)["policy"] == client.get(PATH, admin).json()["policy"]
