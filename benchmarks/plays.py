"""A real system, started as `feedback up` starts it, and the digits app that serves a champion and sends to it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event

from sqlmodel import Session

from benchmarks.servers import ROOT
from feedback_assets import facts
from feedback_cli.demo.client_app import ClientApp, app_command
from feedback_cli.demo.setting_up import client_key, first_champion
from feedback_cli.supervision.system import System, everything, running
from feedback_ingest.log import LogRow
from feedback_ingest.settings import Settings

PACKAGE = "digits_app"
RATE = 50.0
LOOK_EVERY_S = 0.1


@contextmanager
def up(folder: Path, learner: str | None = None) -> Iterator[System]:
    """Everything on free ports, with settings as they come save for `learner`; said on stderr where a process died."""
    settings = Settings(
        data_dir=folder, database_url=None, api_port=0, dagster_port=0, grpc=False, incremental_learner=learner
    )
    with running(settings, everything, lambda line: print(line, file=sys.stderr), Event()) as system:
        yield system


@dataclass
class Play:
    """A model of its own, and the app that answers with it. `served` is when the app had loaded each version."""

    system: System
    model_name: str
    app: ClientApp
    served: dict[str, datetime] = field(default_factory=dict)
    drifted_at: datetime | None = None
    accuracy: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of each version on images never answered, `before` the drift and `after`; as measured last."""

    def until(self, done: Callable[[], bool], within_s: float, what: str) -> None:
        """Listens to the app until `done()`; raises RuntimeError where that takes longer."""
        ends = time.monotonic() + within_s
        while not done():
            if time.monotonic() > ends:
                raise RuntimeError(f"{what} took more than {within_s:.0f} s; see {self.system.settings.data_dir}/logs")
            time.sleep(LOOK_EVERY_S)
            self.hear()

    def hear(self) -> None:
        """Takes what the app said since the last time."""
        for event in self.app.events():
            if event["event"] == "serving":
                self.served[event["model_version"]] = datetime.fromisoformat(event["at"])
            elif event["event"] == "drifted":
                self.drifted_at = datetime.fromisoformat(event["at"])
            elif event["event"] == "measured":
                self.accuracy = event["accuracy"]

    def measure(self, within_s: float) -> None:
        """Has the app measure every version that it has served."""
        self.accuracy = {}
        self.app.command("measure")
        self.until(lambda: bool(self.accuracy), within_s, "measuring")

    def facts(self, *kinds: str) -> list[LogRow]:
        """What was decided of the model, in order."""
        with Session(self.system.database.engine) as session:
            return facts.of_model(facts.read(session, kinds), 1, self.model_name)


@contextmanager
def playing(system: System, drift_after_s: float | None = None, seed: int = 0) -> Iterator[Play]:
    """The app at work; it is stopped, and has sent what was still to be said, when the block ends."""
    folder = system.settings.data_dir / "benchmark"
    folder.mkdir(exist_ok=True)
    artifact = folder / "first-model.bin"
    first_model = app_command(PACKAGE, "first-model", "--out", str(artifact), "--seed", str(seed))
    subprocess.run(first_model, cwd=ROOT, env=system.environment, check=True)
    name = first_champion(system, "digits", artifact.read_bytes()).model_name
    ledger = folder / f"{name}.jsonl"
    command = app_command(
        PACKAGE, "run", "--url", system.addresses.api_url, "--model-name", name, "--rate", str(RATE),
        "--seed", str(seed), "--ledger", str(ledger),
        *(["--drift-after", str(drift_after_s)] if drift_after_s is not None else []),
    )  # fmt: skip
    environment = {**system.environment, "FEEDBACK_KEY": client_key(system.database).key}
    app = ClientApp(command, environment, system.settings.data_dir / "logs/app.log")
    try:
        yield Play(system, name, app)
    finally:
        app.close()
