"""Keeps a list of processes running: starts them in order, restarts the dead with a growing pause, stops all."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from feedback_cli.supervision.child import Child, ChildSpec, kill_group
from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import SetupError

QUICK_DEATH_S = 10.0
QUICK_DEATHS = 4
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0
STOP_GRACE_S = 12.0


class ChildKeepsDying(SetupError):
    """A process dies again and again; its log says why."""


@dataclass
class _Watched:
    spec: ChildSpec
    child: Child | None = None
    was_ready: bool = False
    quick_deaths: int = 0
    restarts: int = 0
    due_s: float = 0.0
    has_given_up: bool = False


class Supervisor:
    """Runs `specs`; `say` gets a line for all an operator should know, `changed` the running ones after each start."""

    def __init__(
        self,
        specs: list[ChildSpec],
        log_dir: Path,
        say: Callable[[str], None],
        changed: Callable[[dict[str, int]], None] = lambda pids: None,
    ) -> None:
        self._watched = {spec.name: _Watched(spec) for spec in specs}
        self._log_dir = log_dir
        self._say = say
        self._changed = changed
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: SetupError | None = None

    def start(self, deadline_s: float, stop: threading.Event) -> None:
        """Starts all and returns when each was ready once, or when `stop` is set; raises ChildKeepsDying."""
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()
        ends = monotonic_s() + deadline_s
        while not stop.wait(0.05):
            if self._failure:
                raise self._failure
            waiting = [w.spec.name for w in self._watched.values() if not w.was_ready]
            if not waiting:
                return
            if monotonic_s() > ends:
                logs = ", ".join(str(self._log_dir / f"{name}.log") for name in waiting)
                raise SetupError(f"{' and '.join(waiting)} did not get ready within {deadline_s:.0f} s; see {logs}")

    def stop(self) -> None:
        """Stops all, the last started first; returns when they are gone."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        running = [w.child for w in self._watched.values() if w.child]
        for child in reversed(running):
            child.send(signal.SIGTERM)
        for child in reversed(running):
            child.stop(STOP_GRACE_S)

    def stop_one(self, name: str) -> None:
        """Stops one process for good; returns when it is gone."""
        watched = self._watched[name]
        watched.has_given_up = True
        if watched.child:
            watched.child.stop(STOP_GRACE_S)

    def pids(self) -> dict[str, int]:
        """Process id of each running process by name."""
        return {n: w.child.pid for n, w in self._watched.items() if w.child and w.child.exit_code() is None}

    def restarts(self) -> dict[str, int]:
        """How often each was restarted."""
        return {name: watched.restarts for name, watched in self._watched.items()}

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            for watched in self._watched.values():
                if self._stop.is_set():
                    return
                self._look_at(watched)

    def _look_at(self, watched: _Watched) -> None:
        if watched.has_given_up:
            return
        if watched.child is None:
            if monotonic_s() >= watched.due_s and all(self._watched[name].was_ready for name in watched.spec.after):
                self._start_one(watched)
            return
        code = watched.child.exit_code()
        if code is not None:
            self._bury(watched, watched.child, code)
        elif not watched.was_ready and watched.spec.is_ready():
            watched.was_ready = True

    def _start_one(self, watched: _Watched) -> None:
        try:
            watched.child = Child.start(watched.spec, self._log_dir)
        except OSError as error:
            watched.has_given_up = True
            self._failure = SetupError(f"cannot start {watched.spec.name} ({error.strerror})")
            return
        self._changed(self.pids())

    def _bury(self, watched: _Watched, child: Child, code: int) -> None:
        if not watched.spec.lets_work_finish:
            kill_group(child.process)
        watched.child = None
        watched.restarts += 1
        watched.quick_deaths = watched.quick_deaths + 1 if child.age_s() < QUICK_DEATH_S else 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if watched.quick_deaths >= QUICK_DEATHS and not watched.was_ready:
            watched.has_given_up = True
            again = f"{watched.spec.name} {how} {watched.quick_deaths} times in a row"
            self._failure = ChildKeepsDying(f"{again}; see {child.log}: {child.last_words()}")
            return
        pause_s = min(FIRST_PAUSE_S * 2**watched.quick_deaths, LONGEST_PAUSE_S)
        watched.due_s = monotonic_s() + pause_s
        self._say(f"{watched.spec.name} {how}; starting it again in {pause_s:.1f} s (log: {child.log})")
