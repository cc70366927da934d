"""`python -m feedback_assets.warm_runs`: imports everything once, then forks a process for each waiting run.

This process opens no thread and keeps no connection, which is what makes forking it safe.
"""

import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING

from feedback_assets.warm_runs.launcher import PLACE_TAG, WAITING, place
from feedback_ingest.clock import monotonic_s
from feedback_ingest.settings import decline_telemetry

if TYPE_CHECKING:
    from dagster import DagsterInstance

HEAVY = (
    "dagster._cli.api",
    "feedback_assets.definitions",
    "ibis",
    "duckdb",
    "pyarrow.parquet",
    "pandas",
    "sklearn.ensemble",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "matplotlib.figure",
    "mlflow.tracking",
    "great_expectations",
)
LOOK_EVERY_S = 0.2
FINISH_S = 8.0
TERMINATE_S = 2.0
YOUNG = 100_000
"""Objects made and kept before they are looked at; with 700, Python's own, that was a third of planning SQL."""


class WarmProcess:
    """Takes waiting runs, one fork each, until `stop`; then lets what works finish for FINISH_S seconds."""

    def __init__(self, instance: "DagsterInstance", stop: Event) -> None:
        self._instance = instance
        self._stop = stop
        self._at_work: set[int] = set()

    def run(self) -> None:
        """Until `stop` is set."""
        while not self._stop.wait(LOOK_EVERY_S):
            self._take_waiting()
            self._reap()
        self._wait(FINISH_S)
        for pid in self._at_work:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self._wait(TERMINATE_S)

    def _take_waiting(self) -> None:
        from dagster import DagsterRunStatus, RunsFilter

        waiting = RunsFilter(statuses=[DagsterRunStatus.STARTING], tags={PLACE_TAG: WAITING})
        for run in self._instance.get_runs(waiting, limit=10):
            # Ours before the fork: whoever finds us gone in between must not start the run a second time.
            self._instance.add_run_tags(run.run_id, {PLACE_TAG: place(os.getpid())})
            pid = os.fork()
            if pid == 0:
                _work(run.run_id)
            self._at_work.add(pid)
            self._instance.add_run_tags(run.run_id, {PLACE_TAG: place(pid)})

    def _wait(self, longest_s: float) -> None:
        ends = monotonic_s() + longest_s
        while self._at_work and monotonic_s() < ends:
            Event().wait(0.05)
            self._reap()

    def _reap(self) -> None:
        for pid in list(self._at_work):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._at_work.discard(pid)


def warm() -> None:
    """Imports what runs need; they import it again, for nothing."""
    decline_telemetry()
    for name in HEAVY:
        importlib.import_module(name)


@contextmanager
def put_aside() -> Iterator[None]:
    """What was imported is not looked at for garbage: no fork does it again, nor copies the memory for it (150 MB)."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _work(run_id: str) -> None:
    """In the fork: executes the run as `dagster api execute_run` does, and never returns."""
    code = 1
    gc.set_threshold(YOUNG)
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)
        _execute(run_id)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _execute(run_id: str) -> None:
    import dagster as dg
    from dagster._cli.api import api_cli
    from dagster._grpc.types import ExecuteRunArgs

    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished or run.job_code_origin is None:
            return
        arguments = ExecuteRunArgs(run.job_code_origin, run_id, instance.get_ref()).get_command_args()
    api_cli.main(args=list(arguments[arguments.index("execute_run") :]), standalone_mode=False)


def main() -> None:
    """Warms up and works until SIGTERM or SIGINT."""
    stop = Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    warm()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    from dagster import DagsterInstance

    with put_aside(), DagsterInstance.get() as instance:
        WarmProcess(instance, stop).run()


if __name__ == "__main__":
    main()
