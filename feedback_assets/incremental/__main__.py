"""`python -m feedback_assets.incremental`: learns from the training queue until SIGTERM or SIGINT."""

import importlib
import signal
from threading import Event
from types import FrameType

from feedback_assets.incremental.worker import Worker
from feedback_assets.resources import LogResource
from feedback_ingest.settings import decline_telemetry, get_settings

LOOK_EVERY_S = 0.2
SLOW_TO_IMPORT = "mlflow.tracking"
"""Seconds that the first increment need not wait for."""


def main() -> None:
    """Follows every model that serves with the learner of the settings."""
    stop = Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    decline_telemetry()
    importlib.import_module(SLOW_TO_IMPORT)
    settings = get_settings()
    if settings.incremental_learner is None:
        raise SystemExit("set FEEDBACK_INCREMENTAL_LEARNER, to sliding_committee for example")
    from dagster import DagsterInstance

    with DagsterInstance.get() as instance:
        worker = Worker(LogResource(), instance, settings.incremental_learner, settings.incremental_every_s)
        while not stop.is_set():
            if not worker.step():
                stop.wait(LOOK_EVERY_S)


if __name__ == "__main__":
    main()
