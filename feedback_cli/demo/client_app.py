"""The example app as a process: started with a key, spoken to by lines, listened to by JSON lines."""

import json
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from feedback_cli.supervision.child import kill_group
from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import FeedbackError, SetupError

PROJECT = Path(__file__).resolve().parents[2]
STOP_GRACE_S = 30.0


class AppDied(FeedbackError):
    """The example app ended by itself; its log says why."""


def app_command(package: str, *arguments: str) -> list[str]:
    """The command of an example app; raises SetupError outside a clone, where the examples are not."""
    if not (PROJECT / "examples" / package).is_dir():
        raise SetupError("the examples are not installed; run the demo from a clone, or use --from DIR")
    return [sys.executable, "-m", f"examples.{package}", *arguments]


class ClientApp:
    """A running app. `events` are its JSON lines so far; `counts` the newest of them that counts."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, name="client-app", daemon=True).start()

    def events(self) -> list[dict[str, Any]]:
        """The events since the last call; raises AppDied when the app ended without being asked to."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._events.get_nowait())
        if not found and self._process.poll() not in (None, 0):
            raise AppDied(f"the example app ended with exit code {self._process.poll()}; see {self._log}")
        return found

    def command(self, word: str) -> None:
        """Says `counts`, `measure` or `stop` to the app."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()

    def ended(self) -> bool:
        """Is the process gone?"""
        return self._process.poll() is not None

    def close(self) -> None:
        """Stops the app, gently first."""
        if not self.ended():
            self.command("stop")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_GRACE_S)
        kill_group(self._process)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):
                event = json.loads(line)
                self._events.put({**event, "heard_s": monotonic_s()})
