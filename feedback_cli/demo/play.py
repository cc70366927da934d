"""One demo from the first check to the table: opens the input, starts the system, plays, reports, waits for Ctrl-C."""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from feedback_cli.demo.app_demo import AppDemo, AppOptions
from feedback_cli.demo.display import Display
from feedback_cli.demo.recording import Recording, open_recording
from feedback_cli.demo.replay import Replay, print_tenths
from feedback_cli.demo.report import Report
from feedback_cli.demo.scenarios import SCENARIOS
from feedback_cli.demo.setting_up import watcher_key
from feedback_cli.supervision.interrupts import stop_on_signals
from feedback_cli.supervision.system import System, everything, running
from feedback_ingest.errors import SetupError
from feedback_ingest.settings import Settings, get_settings

RECORDING_RATE = 100.0
FEWEST_ROWS = 500
COOLDOWN_S = 5
LEARNER, EVERY_S = "sliding_committee", 0.5


class Interrupted(SetupError):
    """The demo was interrupted before its end; nothing is reported."""


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line; None: the default of the scenario."""

    scenario: str
    folder: Path | None
    rate: float | None
    model_name: str | None
    seed: int
    has_drift: bool
    is_quick: bool
    is_exiting: bool
    deadline_s: float


def play(wishes: Wishes, is_quiet: bool) -> Report:
    """Plays one demo; the system is stopped when it returns. Raises FeedbackError, Interrupted among them."""
    recording = open_recording(wishes.folder) if wishes.folder else None
    stop = stop_on_signals()
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    display = Display("feedback demo")
    settings = _fitting(get_settings(), recording)
    with display:
        display.phase("starting Postgres, API, stream and Dagster")
        with running(settings, everything, display.milestone, stop) as system:
            watching = f"{system.addresses.api_url}/dashboard, key {watcher_key(system.database).key}"
            display.milestone(f"watch it at {watching}")
            report = _played(wishes, recording, system, display, stop)
            display.close()
            report.write(system.settings.data_dir / "demo.json")
            if not is_quiet:
                _print(report, console)
            if not wishes.is_exiting:
                console.print(f"look at {watching}\neverything stays up until Ctrl-C")
                stop.wait()
    return report


def _fitting(settings: Settings, recording: Recording | None) -> Settings:
    """A recording is years in minutes: a dataset is a twentieth of it, a cool-down seconds, and its champion goes on
    learning, unless they are set.
    """
    if recording is None:
        return settings
    fitting = {
        "training_rows": max(recording.inferences // 20, FEWEST_ROWS),
        "retrain_cooldown_s": COOLDOWN_S,
        "incremental_learner": LEARNER,
        "incremental_every_s": EVERY_S,
    }
    return settings.model_copy(update={k: v for k, v in fitting.items() if k not in settings.model_fields_set})


def _played(
    wishes: Wishes, recording: Recording | None, system: System, display: Display, stop: threading.Event
) -> Report:
    if stop.is_set():
        raise Interrupted()
    if recording is None:
        scenario = SCENARIOS[wishes.scenario]
        rate, is_quick = wishes.rate or scenario.rate, wishes.is_quick or scenario.is_short
        options = AppOptions(
            scenario, wishes.seed, rate, wishes.has_drift, is_quick, wishes.deadline_s, wishes.is_exiting
        )
        report = AppDemo(system, options, display, stop).run()
    else:
        name = wishes.model_name or recording.model_name or _name_of(wishes.folder)
        report = Replay(system, recording, name, wishes.rate or RECORDING_RATE, wishes.is_exiting, display, stop).run()
    if stop.is_set():
        raise Interrupted()
    return report


def _name_of(folder: Path | None) -> str:
    return (folder.resolve().name if folder else "") or "recording"


def _print(report: Report, console: Console) -> None:
    if "tenths" in report.more:
        print_tenths(report.more["tenths"], report.accuracy, console)
        for retraining in report.retrainings:
            console.print(f"retrained in {retraining['seconds']} s: {retraining['reason']}")
    report.print(console)
