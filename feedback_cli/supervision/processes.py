"""The processes of a whole system, as specs: what each is called, how it is started, what it needs to be up first."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlmodel import Session

from api.grpc_door.ports import port_of
from feedback_cli.supervision import dagster_home, ports
from feedback_cli.supervision.child import ChildSpec
from feedback_ingest.inspection import first_day
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings, child_environment

QUIET = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Addresses:
    """Where the parts of one system listen; every port was free a moment ago. `grpc_port` is None without gRPC."""

    api_host: str
    api_port: int
    dagster_host: str
    dagster_port: int
    code_port: int
    grpc_port: int | None = None

    @classmethod
    def claim(cls, settings: Settings) -> "Addresses":
        """Finds out that every port is free before anything is started; raises PortInUse."""
        return cls(
            settings.api_host,
            ports.claim(settings.api_host, settings.api_port, "FEEDBACK_API_PORT"),
            settings.dagster_host,
            ports.claim(settings.dagster_host, settings.dagster_port, "FEEDBACK_DAGSTER_PORT"),
            ports.claim("127.0.0.1", 0, "FEEDBACK_DAGSTER_PORT"),
            port_of(settings),
        )

    @property
    def api_url(self) -> str:
        """Address of the API."""
        return f"http://{self.api_host}:{self.api_port}"

    @property
    def grpc_address(self) -> str | None:
        """Address of gRPC, if it is served."""
        return f"{self.api_host}:{self.grpc_port}" if self.grpc_port is not None else None

    @property
    def dagster_url(self) -> str:
        """Address of the Dagster UI."""
        return f"http://{self.dagster_host}:{self.dagster_port}"


def environment(settings: Settings, database: Database, addresses: Addresses) -> dict[str, str]:
    """Environment of every child: the same database, data directory and ports as ours.

    Unless it is set, Dagster's first day is the log's first: no asset shows days before there was anything.
    """
    data_dir = settings.data_dir.resolve()
    since = settings.first_day
    if "first_day" not in settings.model_fields_set:
        with Session(database.engine) as session:
            since = first_day(session)
    grpc = (
        {"FEEDBACK_GRPC": "false"} if addresses.grpc_port is None else {"FEEDBACK_GRPC_PORT": str(addresses.grpc_port)}
    )
    return child_environment(
        **grpc,
        **QUIET,
        FEEDBACK_DATA_DIR=str(data_dir),
        FEEDBACK_DATABASE_URL=database.asyncpg_dsn,
        FEEDBACK_API_PORT=str(addresses.api_port),
        FEEDBACK_DAGSTER_PORT=str(addresses.dagster_port),
        FEEDBACK_FIRST_DAY=str(since),
        FEEDBACK_TRAINING_ROWS=str(settings.training_rows),
        FEEDBACK_RETRAIN_COOLDOWN_S=str(settings.retrain_cooldown_s),
        FEEDBACK_INCREMENTAL_EVERY_S=str(settings.incremental_every_s),
        **({"FEEDBACK_INCREMENTAL_LEARNER": settings.incremental_learner} if settings.incremental_learner else {}),
        DAGSTER_HOME=str(data_dir / "dagster"),
        **{dagster_home.STORAGE_VARIABLE: database.sibling("dagster").psycopg2_url},
    )


def loop_processes(variables: dict[str, str], addresses: Addresses) -> list[ChildSpec]:
    """The API and the stream."""
    feedback = [sys.executable, "-m", "feedback_cli"]
    api_answers = partial(ports.answers, addresses.api_host, addresses.api_port)
    return [
        ChildSpec("api", [*feedback, "api"], variables, api_answers),
        ChildSpec("stream", [*feedback, "stream"], variables),
    ]


def dagster_processes(variables: dict[str, str], addresses: Addresses) -> list[ChildSpec]:
    """Dagster's code server, and what waits for it: webserver, daemon, the warm process that runs are forked from.

    Where champions are to go on learning, the worker that does it too.
    """
    dagster = [sys.executable, "-m", "dagster"]
    home = Path(variables["DAGSTER_HOME"])
    dagster_home.write(home, "127.0.0.1", addresses.code_port)
    workspace = ["-w", str(home / "workspace.yaml")]
    project = str(Path(__file__).resolve().parents[2])
    code = ["api", "grpc", "-m", "feedback_assets.definitions", "-d", project]
    code += ["-h", "127.0.0.1", "-p", str(addresses.code_port)]
    web = [sys.executable, "-m", "dagster_webserver", *workspace]
    web += ["-h", addresses.dagster_host, "-p", str(addresses.dagster_port)]
    code_answers = partial(ports.answers, "127.0.0.1", addresses.code_port)
    web_answers = partial(ports.answers, addresses.dagster_host, addresses.dagster_port)
    runs = [sys.executable, "-m", "feedback_assets.warm_runs"]
    daemon = [sys.executable, "-m", "dagster._daemon", "run", *workspace]
    learner = [sys.executable, "-m", "feedback_assets.incremental"]
    specs = [
        ChildSpec("code-server", [*dagster, *code], variables, code_answers),
        ChildSpec("webserver", web, variables, web_answers, after=("code-server",)),
        ChildSpec("daemon", daemon, variables, after=("code-server",)),
        ChildSpec("runs", runs, variables, after=("code-server",), lets_work_finish=True),
    ]
    if "FEEDBACK_INCREMENTAL_LEARNER" in variables:
        specs.append(ChildSpec("learner", learner, variables, after=("code-server",)))
    return specs
