"""`feedback up` as a process of a test: started on free ports, looked at through up.json, stopped with SIGTERM."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import wait_for

READY_S = 120.0


class RunningUp:
    """A running `feedback up`."""

    def __init__(self, data_dir: Path, process: subprocess.Popen[str], log: Path) -> None:
        self.data_dir, self.process, self._log = data_dir, process, log

    def state(self) -> dict[str, Any]:
        """What up.json says."""
        try:
            found: dict[str, Any] = json.loads((self.data_dir / "up.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def pid(self, name: str) -> int | None:
        """Process id of a part, None while it is not running."""
        child = self.state().get("children", {}).get(name)
        return child["pid"] if child else None

    def is_ready(self) -> bool:
        """Does the API say it is ready?"""
        try:
            return httpx.get(f"{self.state()['api']}/readyz", trust_env=False).status_code == 200
        except (httpx.TransportError, KeyError):
            return False

    def said(self) -> str:
        """All that it wrote."""
        return self._log.read_text()

    def kill(self, name: str) -> None:
        """SIGKILL to one part; returns when another process has its place."""
        killed = self.pid(name)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: self.pid(name) not in (None, killed), 60, f"{name} to be started again")

    def feedback(self, *arguments: str) -> str:
        """Output of another `feedback` command on the same data directory."""
        environment = {**os.environ, "FEEDBACK_DATA_DIR": str(self.data_dir)}
        command = [sys.executable, "-m", "feedback_cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running_up(data_dir: Path) -> Iterator[RunningUp]:
    """A `feedback up` that is ready; killed at the end if the test did not stop it."""
    ports = {"FEEDBACK_API_PORT": "0", "FEEDBACK_DAGSTER_PORT": "0", "FEEDBACK_GRPC_PORT": "0"}
    environment = {**os.environ, "FEEDBACK_DATA_DIR": str(data_dir), **ports}
    log = data_dir.parent / "up.out"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "feedback_cli", "up"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    up = RunningUp(data_dir, process, log)
    try:
        wait_for(lambda: "running until Ctrl-C" in up.said() or process.poll() is not None, READY_S, "feedback up")
        assert process.poll() is None, up.said()
        yield up
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
