"""Watches a demo from outside: database, Dagster and the client's numbers, shown and kept as milestones."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from feedback_cli.demo.dagster_runs import RETRAIN_JOB, DagsterRuns, Run
from feedback_cli.demo.display import Display
from feedback_cli.demo.loop_watch import LoopView, LoopWatch, told
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.log import LogRow
from feedback_loop.learning.increments import is_increment

LOOK_S = 0.5
RUNS_EVERY_S = 1.0
TABULAR = "tabular"
"""The format of datasets that champions are trained on."""
NOT_SHOWN = ("retraining_suppressed",)


class Observer:
    """Looks every half second while something is waited for; `view`, `runs` and `facts` hold what was seen."""

    def __init__(self, watch: LoopWatch, dagster: DagsterRuns, display: Display, stop: threading.Event) -> None:
        self._watch = watch
        self._dagster = dagster
        self._display = display
        self._stop = stop
        self._runs_due_s = 0.0
        self._known: dict[str, str] = {}
        self.first_offset = watch.first_offset
        self.counts: Mapping[str, Mapping[str, int]] = {}
        self.view: LoopView = watch.look()
        self.runs: list[Run] = []
        self.facts: list[LogRow] = []
        self.started_at = utc_now()

    def until(self, done: Callable[[], bool], deadline_s: float, each: Callable[[], None] = lambda: None) -> bool:
        """Watches until `done()`; False when `deadline_s` seconds passed or the demo was interrupted before that."""
        ends = monotonic_s() + deadline_s
        while not self._stop.is_set():
            each()
            self.look()
            if done():
                return True
            if monotonic_s() > ends:
                return False
            self._stop.wait(LOOK_S)
        return False

    def look(self) -> None:
        """One look at everything."""
        self.view = self._watch.look()
        for fact in self.view.facts:
            self.facts.append(fact)
            if fact.kind not in NOT_SHOWN and not is_increment(fact.body.get("model_version", "")):
                self._display.milestone(told(fact))
        if monotonic_s() >= self._runs_due_s:
            self._runs_due_s = monotonic_s() + RUNS_EVERY_S
            self._look_at_runs()
        self._display.update(
            champion=self.view.champion or "–",
            rolling=self.view.rolling(),
            history=self.view.history(),
            counts=self.counts,
            note=f"log {self.view.head}, stream {self.view.head - self.view.stream_at} behind",
        )

    def is_retraining(self) -> bool:
        """Does a retraining run wait or work?"""
        return any(run.job == RETRAIN_JOB and run.is_active for run in self.runs)

    def retrainings(self) -> list[Run]:
        """Retraining runs that a sensor started, the oldest first."""
        return [run for run in reversed(self.runs) if run.is_sensor_retraining]

    def active(self) -> list[Run]:
        """Runs that wait or work."""
        return [run for run in self.runs if run.is_active]

    def fact_time(self, kind: str, after: datetime) -> datetime | None:
        """When the first fact of `kind` came into the log after a moment."""
        of_kind = (fact for fact in self.facts if fact.kind == kind and is_of_champions(fact))
        return next((fact.received_at for fact in of_kind if fact.received_at > after), None)

    def _look_at_runs(self) -> None:
        runs = self._dagster.runs()
        if runs is None:
            return
        self.runs = [run for run in runs if run.created_s >= self.started_at.timestamp()]
        for run in reversed(self.runs):
            before = self._known.get(run.run_id)
            self._known[run.run_id] = run.status
            is_told = run.job == RETRAIN_JOB and run.status in ("STARTED", "SUCCESS")
            if run.status != before and (is_told or run.status == "FAILURE"):
                self._display.milestone(f"Dagster run {run.job} {run.status.lower()} ({_by(run)})")


def _by(run: Run) -> str:
    seconds = "" if run.start_s is None or run.end_s is None else f", {run.end_s - run.start_s:.1f} s"
    return (f"started by sensor {run.sensor}" if run.sensor else "started by hand") + seconds


def is_of_champions(fact: LogRow) -> bool:
    """Whether a fact is about champions: a dataset of another format than they are trained on is not."""
    return bool(fact.body.get("format", TABULAR) == TABULAR)
