"""Secrets: a key and a database password are nowhere but where they were given."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from feedback_ingest.postgres import Database
from tests.api.conftest import PEPPER, wait_until_ready
from tests.ports import free_port

PASSWORD = "canary-password-zq7"


@pytest.fixture
def served(database: Database, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`feedback api` with a password in its database URL; its log is in the folder."""
    port = free_port()
    url = database._url.set(username="postgres", password=PASSWORD).render_as_string(hide_password=False)
    settings = {"FEEDBACK_DATABASE_URL": url, "FEEDBACK_DATA_DIR": str(tmp_path), "FEEDBACK_PEPPER": PEPPER}
    command = [sys.executable, "-m", "feedback_cli", "api", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process, tmp_path / "log")
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(20)


def command_lines(group: int) -> str:
    """What `ps` shows of every process of the group."""
    shown = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(place.name)) == group:
                shown.append((place / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(shown)


def test_secrets_stay_where_they_were_given(
    served: tuple[str, subprocess.Popen[bytes]], make_key: Callable[..., str], tmp_path: Path
) -> None:
    """Not in logs, figures, answers good or bad, the OpenAPI document, or the process list."""
    url, process = served
    key = make_key("admin")
    secret = key.rsplit("_", 1)[1]
    told = []

    with httpx.Client(base_url=url, trust_env=False, headers={"Authorization": f"Bearer {key}"}) as client:
        for path in ("/metrics", "/openapi.json", "/healthz", "/v1/credentials", "/v1/audit", "/v1/projects", "/none"):
            told.append(client.get(path))
        for path in ("/v1/feedback", "/v1/credentials", "/v1/metrics", "/v1/quarantine/1/replay"):
            for raw in (b"{", b"{}", b'{"key":"' + key.encode() + b'"}'):
                told.append(client.post(path, content=raw, headers={"Content-Type": "application/json"}))
        told.append(client.get("/v1/projects", headers={"Authorization": f"Bearer {key}x"}))
        told.append(client.get(f"/v1/projects?key={key}"))
    seen = [answer.text + str(answer.headers) for answer in told]
    seen += [(tmp_path / "log").read_text(), command_lines(os.getpgid(process.pid))]

    assert {answer.status_code for answer in told} >= {200, 400, 401, 404, 422}
    assert "feedback_cli" in seen[-1]
    assert not [text for text in seen if secret in text or PASSWORD in text]


def test_a_password_is_not_told_when_the_database_is_away(tmp_path: Path) -> None:
    """The line for the operator names the setting, not its value."""
    url = f"postgresql://feedback:{PASSWORD}@127.0.0.1:1/feedback"
    settings = {"FEEDBACK_DATABASE_URL": url, "FEEDBACK_DATA_DIR": str(tmp_path)}
    for command in (["api", "--port", "0"], ["keys", "list"], ["doctor"]):
        done = subprocess.run(
            [sys.executable, "-m", "feedback_cli", *command],
            env=os.environ | settings, capture_output=True, text=True, timeout=90,
        )  # fmt: skip

        assert done.returncode != 0
        assert PASSWORD not in done.stdout + done.stderr
