"""The run launcher: leaves a run for the warm process to take, and knows by process id whether it is still at work.

Loaded by Dagster's daemon, webserver and code server from dagster.yaml, so nothing heavy belongs here.
"""

import os
import signal
from collections.abc import Mapping
from typing import Any, Self

from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._core.storage.dagster_run import DagsterRun
from dagster._serdes import ConfigurableClass, ConfigurableClassData

PLACE_TAG = ".dagster/feedback_warm_run"
"""Where a run is: WAITING, then the process id and its start time. Dagster hides tags with this prefix."""

WAITING = "waiting"


class WarmRunLauncher(RunLauncher, ConfigurableClass):
    """Hands runs to `python -m feedback_assets.warm_runs`, which forks for each."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What dagster.yaml said."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """As dagster.yaml asks."""
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """The run waits for the warm process; while that is away, until it is back."""
        self._instance.add_run_tags(context.dagster_run.run_id, {PLACE_TAG: WAITING})

    def terminate(self, run_id: str) -> bool:
        """Asks the run's process to end; a run that still waits is canceled at once. False when there was nothing."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        pid = process_of(run)
        if pid is None:
            self._instance.report_run_canceled(run)
            return True
        os.kill(pid, signal.SIGTERM)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """A killed run is noticed by Dagster's run monitoring."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Is the run's process there, or does the run still wait for one?"""
        if run.tags.get(PLACE_TAG) == WAITING or process_of(run) is not None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the run's process is gone")


def place(pid: int) -> str:
    """The tag's value for a process: ids are given out again, start times are not."""
    import psutil

    return f"{pid} {psutil.Process(pid).create_time()}"


def process_of(run: DagsterRun) -> int | None:
    """The run's process id, None when it waits or its process is gone."""
    import psutil

    told = run.tags.get(PLACE_TAG, WAITING)
    if told == WAITING:
        return None
    pid = int(told.split()[0])
    try:
        return pid if place(pid) == told and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None
