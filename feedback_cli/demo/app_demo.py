"""A demo by an example app: phases from the first model to the table, played against a running system."""

import random
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from feedback_cli.demo import latency, preferences
from feedback_cli.demo.client_app import PROJECT, ClientApp, app_command
from feedback_cli.demo.dagster_runs import DagsterRuns
from feedback_cli.demo.display import Display
from feedback_cli.demo.ending import links, retrainings, settle, training_times
from feedback_cli.demo.goals import MAY_LOSE, accuracy_missed, missed
from feedback_cli.demo.ledger import read_ledger
from feedback_cli.demo.loop_watch import LoopWatch
from feedback_cli.demo.observer import Observer
from feedback_cli.demo.report import Report
from feedback_cli.demo.scenarios import Scenario
from feedback_cli.demo.setting_up import DEMO_PROJECT_ID, client_key, first_champion
from feedback_cli.demo.stored import quarantined_by_rule, stored_events
from feedback_cli.supervision.system import System
from feedback_ingest.errors import SetupError

AFTER_DRIFT = ("alert_raised", "retraining_triggered", "dataset_compiled", "model_promoted")
STEADY_S, QUICK_STEADY_S, HIDDEN_S = 30.0, 14.0, 15.0
NO_DRIFT_S, QUICK_NO_DRIFT_S = 90.0, 45.0
START_S = 30.0
RECOVERED_ROWS = 120


@dataclass(frozen=True)
class AppOptions:
    """How the demo is played."""

    scenario: Scenario
    seed: int
    rate: float
    has_drift: bool
    is_quick: bool
    deadline_s: float
    is_exiting: bool

    def drift_after_s(self) -> float:
        """Seconds of steady traffic before the other scanner: chosen by the seed, told to nobody but the app."""
        steady_s = QUICK_STEADY_S if self.is_quick else STEADY_S
        return steady_s + random.Random(self.seed).uniform(0, HIDDEN_S / (2 if self.is_quick else 1))


@dataclass
class AppDemo:
    """One play on a running system."""

    system: System
    options: AppOptions
    display: Display
    stop: threading.Event
    drifted_at: datetime | None = None
    serving: dict[str, datetime] = field(default_factory=dict)
    measured: dict[str, dict[str, float]] | None = None
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    preferred: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Report:
        """Plays all phases; what went wrong stands in the report's failures. Raises FeedbackError."""
        folder = self.system.settings.data_dir / "demo"
        folder.mkdir(exist_ok=True)
        self.ledger = folder / "ledger.jsonl"
        self.display.phase(self.scenario.first)
        artifact = folder / "first-model.bin"
        command = self._command("first-model", "--out", str(artifact), "--seed", str(self.options.seed))
        if subprocess.run(command, cwd=PROJECT, env=self.system.environment).returncode:
            raise SetupError(f"the first model could not be trained; run `{' '.join(command[1:])}`")
        self.first = first_champion(self.system, self.scenario.model_name, artifact.read_bytes())
        self.model_name = self.first.model_name
        self.key = client_key(self.system.database)
        dagster = DagsterRuns(self.system.addresses.dagster_url)
        watch = LoopWatch(self.system.database, DEMO_PROJECT_ID, self.model_name)
        self.observer = Observer(watch, dagster, self.display, self.stop)
        app = ClientApp(self._app_command(), self._app_environment(), self.system.settings.data_dir / "logs/app.log")
        try:
            failures = self._phases(app)
        finally:
            app.close()
        return self._report(dagster, failures)

    @property
    def scenario(self) -> Scenario:
        """What is played."""
        return self.options.scenario

    def _command(self, *arguments: str) -> list[str]:
        return app_command(self.scenario.package, *arguments)

    def _app_command(self) -> list[str]:
        options = self.options
        drift = ["--drift-after", f"{options.drift_after_s():.1f}"] if options.has_drift else []
        return self._command(
            *("run", "--url", self.system.addresses.api_url, "--model-name", self.model_name),
            *("--rate", str(options.rate), "--seed", str(options.seed), "--ledger", str(self.ledger)),
            *drift,
        )

    def _app_environment(self) -> dict[str, str]:
        return {**self.system.environment, "FEEDBACK_KEY": self.key.key}

    def _phases(self, app: ClientApp) -> list[str]:
        failures: list[str] = []
        self.display.phase(self.scenario.steady)
        if self.options.has_drift:
            failures += self._drift_and_recovery(app)
        else:
            seconds = QUICK_NO_DRIFT_S if self.options.is_quick else NO_DRIFT_S
            self.observer.until(lambda: False, seconds, lambda: self._hear(app))
        if self.scenario.compares:
            failures += self._wait_for_judge(app)
        self._measure(app)
        self.display.phase(self.scenario.ends)
        app.command("stop")
        self.observer.until(app.ended, 40.0, lambda: self._hear(app))
        self._hear(app)
        failures = failures or settle(self.system, self.observer, self.options.is_exiting)
        if self.scenario.compares:
            failures += self._look_at_preferences()
        return failures

    def _wait_for_judge(self, app: ClientApp) -> list[str]:
        """Until a reward model is in force and has judged enough answers."""
        self.display.phase("a reward model learns what customers prefer, and judges every answer")
        asked = self.system.database, DEMO_PROJECT_ID, self.model_name
        deadline_s = self.options.deadline_s
        if not self.observer.until(lambda: preferences.judged(*asked), deadline_s, lambda: self._hear(app)):
            return [f"no reward model judged {preferences.ENOUGH_JUDGED} answers within {deadline_s:.0f} s"]
        return []

    def _look_at_preferences(self) -> list[str]:
        self.display.phase("datasets for trainers: demonstrations, and pairs")
        asked = DEMO_PROJECT_ID, self.model_name
        model = preferences.in_force(self.observer)
        self.preferred = {
            "reward_model": model.body if model else None,
            "scores": preferences.scores(self.system.database, *asked),
            "datasets": preferences.compiled(self.system, *asked),
        }
        return preferences.missed(self.preferred)

    def _drift_and_recovery(self, app: ClientApp) -> list[str]:
        deadline_s = self.options.deadline_s
        drift_s = self.options.drift_after_s() + START_S
        if not self.observer.until(lambda: self.drifted_at is not None, drift_s, lambda: self._hear(app)):
            return ["the demo ended before the drift"]
        self.display.phase(self.scenario.drift)
        if not self.observer.until(lambda: len(self.serving) > 1, deadline_s, lambda: self._hear(app)):
            return [f"no new champion was served within {deadline_s:.0f} s of the drift"]
        self.display.phase("a new champion is served: does accuracy recover?")
        if not self.observer.until(lambda: self._has_recovered(app), deadline_s, lambda: self._hear(app)):
            return [f"accuracy did not recover within {deadline_s:.0f} s of the new champion"]
        return []

    def _has_recovered(self, app: ClientApp) -> bool:
        """Live accuracy first, then what was never answered; where they do not agree, another retraining may help."""
        version, since = list(self.serving.items())[-1]
        assert self.drifted_at is not None
        before, _ = self.observer.view.accuracy(until=self.drifted_at)
        after, rows = self.observer.view.accuracy(since, version=version)
        if before is None or after is None or rows < RECOVERED_ROWS or after < before - MAY_LOSE:
            return False
        self._measure(app)
        accuracy = self._accuracy()
        return bool(accuracy["after"] and accuracy["before"] and accuracy["after"] >= accuracy["before"] - MAY_LOSE)

    def _measure(self, app: ClientApp) -> None:
        self.measured = None
        app.command("measure")
        self.observer.until(lambda: self.measured is not None, 20.0, lambda: self._hear(app))

    def _hear(self, app: ClientApp) -> None:
        app.command("counts")
        for event in app.events():
            self._heard(event)
        self.observer.counts = self.counts

    def _heard(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "counts":
            self.counts = event["counts"]
        elif kind == "drifted":
            self.drifted_at = datetime.fromisoformat(event["at"])
            self.display.milestone(self.scenario.drifted)
        elif kind == "serving":
            self.serving[event["model_version"]] = datetime.fromisoformat(event["at"])
            self.display.milestone(f"the app serves {event['model_version']}")
        elif kind == "measured":
            self.measured = event["accuracy"]

    def _accuracy(self) -> dict[str, float | None]:
        """On what was never answered: the first model before the drift, the first and the last model after it."""
        measured = self.measured or {}
        first, last = measured.get(self.first.model_version, {}), measured.get(next(reversed(self.serving), ""), {})
        before = first.get("before")
        if not self.options.has_drift:
            return {"before": before, "drifted": None, "after": last.get("before")}
        return {"before": before, "drifted": first.get("after"), "after": last.get("after")}

    def _report(self, dagster: DagsterRuns, failures: list[str]) -> Report:
        database, first = self.system.database, self.observer.first_offset
        queue = latency.training_queue(database, DEMO_PROJECT_ID, self.model_name)
        trained = training_times(self.observer, self.serving, {name: each.log_offset for name, each in queue.items()})
        accuracy = self._accuracy()
        report = Report(
            scenario=self.scenario.name + ("" if self.options.has_drift else " without drift"),
            counts=self.counts,
            stored=stored_events(database, DEMO_PROJECT_ID, self.model_name, self.key.id, first),
            accuracy=accuracy,
            champion={"before": self.first.model_version, "after": self.observer.view.champion},
            latency_ms=latency.stages(read_ledger(self.ledger), queue, trained),
            runs=self.observer.runs,
            graph=dagster.graph(),
            retrainings=retrainings(self.observer),
            links=links(self.system, self.observer),
            more={
                "seed": self.options.seed,
                "after_drift_s": self._after_drift(),
                "quarantined_by_rule": quarantined_by_rule(self.system.settings.lake_dir, self.model_name),
                "verdicts": self._verdicts(),
                **({"preferences": self.preferred} if self.preferred else {}),
            },
        )
        missing = accuracy_missed(**accuracy) if self.options.has_drift else []
        report.failures = [*failures, *missing, *missed(report, expects_retraining=self.options.has_drift)]
        return report

    def _verdicts(self) -> list[dict[str, Any]]:
        """What the gate decided of each candidate, with its reasons."""
        told = [fact for fact in self.observer.facts if fact.kind in ("model_promoted", "model_refused")]
        return [
            {
                "model_version": fact.body["model_version"],
                "is_promoted": fact.kind == "model_promoted",
                "reasons": fact.body.get("reasons") or fact.body["reason"].split("; "),
            }
            for fact in told
        ]

    def _after_drift(self) -> dict[str, float]:
        """Seconds from the drift to each first thing the loop did about it."""
        if self.drifted_at is None:
            return {}
        moments = {kind: self.observer.fact_time(kind, self.drifted_at) for kind in AFTER_DRIFT}
        moments["served"] = next((at for at in self.serving.values() if at > self.drifted_at), None)
        return {kind: round((at - self.drifted_at).total_seconds(), 2) for kind, at in moments.items() if at}
