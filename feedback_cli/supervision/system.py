"""A whole running system on one data directory: what `feedback up`, `feedback dagster` and `feedback demo` share."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from feedback_cli.supervision import data_directory, processes
from feedback_cli.supervision.child import ChildSpec
from feedback_cli.supervision.database_guard import guarded
from feedback_cli.supervision.leftovers import stop_leftovers
from feedback_cli.supervision.processes import Addresses
from feedback_cli.supervision.supervisor import Supervisor
from feedback_ingest.migrate import upgrade
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings

START_DEADLINE_S = 120.0
Say = Callable[[str], None]
Parts = Callable[[dict[str, str], Addresses], list[ChildSpec]]


@dataclass
class System:
    """What is running, and where."""

    settings: Settings
    database: Database
    addresses: Addresses
    supervisor: Supervisor
    environment: dict[str, str]


def everything(variables: dict[str, str], addresses: Addresses) -> list[ChildSpec]:
    """All five processes; Dagster first, because it takes longest to start."""
    return processes.dagster_processes(variables, addresses) + processes.loop_processes(variables, addresses)


@contextmanager
def running(settings: Settings, parts: Parts, say: Say, stop: threading.Event) -> Iterator[System]:
    """Starts `parts` and yields when all were ready, or `stop` was set; stops all on the way out.

    Raises SetupError (a port in use, a directory of another version, a process that keeps dying), each one line.
    """
    settings = settings.model_copy(update={"data_dir": settings.data_dir.resolve()})
    with data_directory.claimed(settings.data_dir):
        stop_leftovers(settings.data_dir, say)
        addresses = Addresses.claim(settings)
        database = open_database(settings)
        try:
            upgrade(database)
            variables = processes.environment(settings, database, addresses)
            database.sibling("mlflow")
            specs = parts(variables, addresses)
            supervisor = Supervisor(specs, settings.data_dir / "logs", say, _recorder(settings, addresses, specs))
            try:
                with guarded(database, say):
                    supervisor.start(START_DEADLINE_S, stop)
                    yield System(settings, database, addresses, supervisor, variables)
            finally:
                supervisor.stop()
                data_directory.write_state(settings.data_dir, {})
        finally:
            database.close()


def _recorder(settings: Settings, addresses: Addresses, specs: list[ChildSpec]) -> Callable[[dict[str, int]], None]:
    """Keeps up.json true: the next start finds there what a killed supervisor left behind."""
    commands = {spec.name: spec.command for spec in specs}

    def record(pids: dict[str, int]) -> None:
        children = {name: {"pid": pid, "command": commands[name]} for name, pid in pids.items()}
        urls = {"api": addresses.api_url, "grpc": addresses.grpc_address, "dagster": addresses.dagster_url}
        state = {"pid": os.getpid(), **urls, "children": children}
        data_directory.write_state(settings.data_dir, state)

    return record
