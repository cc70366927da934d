"""The README's first events, pasted into a shell as they stand; only port and data directory are the test's own."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## First events")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
FIVE = {"inference_request_id", "model_version", "feedback_type", "feedback_value", "user_context"}
DEADLINE_S = 60


def _bodies() -> list[dict[str, object]]:
    return [json.loads(body) for body in re.findall(r"-d '(\{.*?\})'$", SECTION, re.MULTILINE | re.DOTALL)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    pytest.fail(f"the API did not become ready (exit code {process.poll()})")


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Port of an API on a data directory of its own, as `make up` starts one."""
    monkeypatch.setenv("FEEDBACK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FEEDBACK_GRPC_PORT", "0")
    chosen = _free_port()
    process = subprocess.Popen([sys.executable, "-m", "feedback_cli", "api", "--port", str(chosen)], cwd=ROOT)
    try:
        _wait_until_ready(chosen, process)
        yield chosen
    finally:
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    assert not (tmp_path / "data/postgres/postmaster.pid").exists(), "the last one out stops PostgreSQL"


def test_the_first_events_have_exactly_the_five_fields() -> None:
    """One correction, one click, one pair with nothing but the preferred output; five fields each, no more."""
    bodies = _bodies()

    assert [body["feedback_type"] for body in bodies] == ["explicit_correction", "implicit_click", "preference_pair"]
    assert all(set(body) == FIVE for body in bodies)
    assert bodies[2]["feedback_value"] == {"preferred_output_id": "A"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README posts with curl, which is not installed")
def test_the_first_events_arrive(port: int, tmp_path: Path) -> None:
    """Pasted into a shell, the blocks make a key, store three events, and psql shows them in the staging table."""
    blocks = [block for block in BLOCKS if not block.startswith("make ")]
    script = "set -e\n" + "\necho\n".join(blocks)
    script = script.replace("localhost:8000", f"127.0.0.1:{port}").replace(
        ".venv/bin/", f"{Path(sys.executable).parent}/"
    )

    answer = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=DEADLINE_S
    )

    assert answer.returncode == 0, answer.stderr
    receipts = [json.loads(receipt) for receipt in re.findall(r'\{"feedback_id[^}]*\}', answer.stdout)]
    assert [(receipt["offset"], receipt["status"]) for receipt in receipts] == [
        (offset, "accepted")
        for offset in (2, 3, 4)  # 1 is the making of the key: a fact of the same log
    ]
    assert "(3 rows)" in answer.stdout
    for body in _bodies():
        assert re.search(
            rf"{body['inference_request_id']} .*{body['model_version']} .*{body['feedback_type']}", answer.stdout
        )
    assert "u-17" not in answer.stdout
