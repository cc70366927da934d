"""One process we start: its command, its log, how it is known to be ready, how it is stopped with all it started."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feedback_ingest.clock import monotonic_s

LOG_BYTES = 20_000_000


@dataclass(frozen=True)
class ChildSpec:
    """What to run: `after` names children that must be ready first; `is_ready` is asked until it says yes.

    What a dead process started is killed, unless `lets_work_finish`: Dagster's runs live on without their code server.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    is_ready: Callable[[], bool] = lambda: True
    after: tuple[str, ...] = ()
    lets_work_finish: bool = False


@dataclass
class Child:
    """A started process in a session of its own, its output in a file."""

    spec: ChildSpec
    log: Path
    process: subprocess.Popen[bytes]
    started_s: float = field(default_factory=monotonic_s)

    @classmethod
    def start(cls, spec: ChildSpec, log_dir: Path) -> "Child":
        """Starts the process; SIGINT and SIGTERM are at their defaults there, because ours are handled, not ignored."""
        log_dir.mkdir(parents=True, exist_ok=True)
        log = log_dir / f"{spec.name}.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            process = subprocess.Popen(
                spec.command,
                env=spec.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(spec, log, process)

    @property
    def pid(self) -> int:
        """Process id, also the id of its session and process group."""
        return self.process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative: killed by that signal."""
        return self.process.poll()

    def age_s(self) -> float:
        """Seconds since it was started."""
        return monotonic_s() - self.started_s

    def send(self, number: signal.Signals) -> None:
        """Signals the process alone; nothing when it is gone."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL for the whole group after `grace_s`; returns when the process is gone."""
        self.send(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)
        kill_group(self.process)

    def last_words(self) -> str:
        """The last line it wrote that is not blank, at most 200 characters; empty when it wrote nothing."""
        try:
            tail = self.log.read_bytes()[-4000:].decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return lines[-1][:200] if lines else ""


def kill_group(process: subprocess.Popen[Any]) -> None:
    """Kills a process that leads its own session, with all it started; returns when it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
