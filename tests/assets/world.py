"""A small world for the graph's tests: clients that infer and give feedback, a lake, an instance of Dagster."""

import random
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
from sqlmodel import Session

from feedback_assets.checks import live
from feedback_assets.definitions import defs
from feedback_assets.io_manager import ParquetIOManager
from feedback_assets.lake import Lake
from feedback_assets.partitions import UPTO_TAG, span_tags
from feedback_assets.resources import LogResource
from feedback_ingest import keys, log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import POLICY_SET
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.tables import Project
from feedback_loop.learning.policies import Policy

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
CLASSES = ("0", "1", "2")
GROUPS = dg.AssetSelection.groups("ingest", "meaning")
TABLES = GROUPS | dg.AssetSelection.assets("labeled_set", "drift_report")
PARTS = (
    "feedback_events",
    "feedback_lake",
    "inference_rewards",
    "enriched_feedback",
    "labeled_set",
    "feedback_metrics",
    "drift_report",
    "shadow_report",
)


def _made_for(name: str) -> dg.AssetSelection:
    made = dg.AssetSelection.assets(name).upstream().required_multi_asset_neighbors()
    return (made & (TABLES | dg.AssetSelection.assets(name))).without_checks()


JOBS = (
    dg.define_asset_job("tables", TABLES.without_checks()),
    dg.define_asset_job("evidence", dg.AssetSelection.groups("evidence")),
    dg.define_asset_job("people", dg.AssetSelection.groups("review")),
    dg.define_asset_job("dataset", dg.AssetSelection.assets("training_dataset")),
    *(dg.define_asset_job(f"only_{name}", _made_for(name)) for name in PARTS),
    dg.define_asset_job("export", dg.AssetSelection.assets("feedback_events")),
    dg.define_asset_job("live", dg.AssetSelection.checks(*(spec.key for spec in live.SPECS))),
)


class World:
    """One database, one data directory, one Dagster; time is what a test says it is."""

    def __init__(self, database: Database, data_dir: Path, instance: dg.DagsterInstance) -> None:
        self.database = database
        self.data_dir = data_dir
        self.instance = instance
        self.log = LogResource(data_dir=str(data_dir), database_url=database.url)
        self.resources = {"log": self.log, "io_manager": ParquetIOManager(data_dir=str(data_dir))}
        self.resources |= {"pipes": dg.PipesSubprocessClient()}
        self.lake = Lake(data_dir / "lake")
        self.pepper = Pepper(b"pepper of the tests, long enough")
        self._number = 0

    def infer(
        self, name: str, answer: Any = "1", at: datetime = DAY, received: datetime | None = None, **more: Any
    ) -> int:
        """Logs one inference; its offset."""
        body = {
            "inference_request_id": name,
            "model_name": "digits",
            "model_version": "digits-0001",
            "inputs": {"x": 1.0},
            "outputs": [{"output_id": "A", "content": {"label": answer}}],
            **more,
        }
        return self._append([("inference", name, body, at, received or at)])[0]

    def say(
        self, about: str, kind: str = "ground_truth", at: datetime = DAY, received: datetime | None = None, **more: Any
    ) -> str:
        """Logs one feedback; its id."""
        name, body = self.feedback(about, kind, **more)
        self._append([("feedback", name, body, at, received or at)])
        return name

    def register(self, metric: str, kind: str, at: datetime = DAY) -> int:
        """Logs that the project registered a metric of its own; its offset."""
        body = {"actor": "test", "subject": metric, "metric": {"metric": metric, "kind": kind}}
        return self._append([("metric_registered", f"registered {metric}", body, at, at)])[0]

    def decide(self, policy: Policy, at: datetime = DAY) -> int:
        """Logs that the project set a policy; its offset."""
        self._number += 1
        body = {"actor": "test", "subject": policy.name, "version": self._number, "policy": policy.as_data()}
        return self._append([(POLICY_SET, f"policy {self._number}", body, at, at)])[0]

    def answered(self, source: str, about: str, answer: dict[str, Any], at: datetime = DAY) -> int:
        """Logs what a source outside the log said; its offset."""
        told = {"about": about, "asked_offset": self.head(), "answer": answer, "digest": "d"}
        body = {"source": source, "version": "1", "answers": [told]}
        return self._append([("context_answered", f"answered {self.head()}", body, at, at)])[0]

    def feedback(self, about: str, kind: str = "ground_truth", **more: Any) -> tuple[str, dict[str, Any]]:
        """An id and a body, to be appended with others."""
        self._number += 1
        value = more.pop("value", {"label": "1"})
        body = {
            "inference_request_id": about,
            "model_version": "digits-0001",
            "feedback_type": kind,
            "feedback_value": value,
            **more,
        }
        return str(UUID(int=(7 << 76) | (2 << 62) | self._number)), body

    def live(
        self,
        count: int,
        right: float,
        start: datetime = DAY,
        shift: float = 0.0,
        version: str = "digits-0001",
        seed: int = 0,
    ) -> None:
        """`count` inferences, one a second, each with ground truth; a share `right` of the answers is right."""
        chance = random.Random(seed)
        rows = []
        for n in range(count):
            truth = chance.choice(CLASSES)
            answer = truth if chance.random() < right else chance.choice([c for c in CLASSES if c != truth])
            pixels = [
                (4.0 if str(place) == truth else 0.0) + chance.random() + shift * (place + 1) for place in range(3)
            ]
            name = f"live-{version}-{seed}-{n}"
            at = start + timedelta(seconds=n)
            outputs = [{"output_id": "A", "content": {"label": answer}, "probabilities": [0.6, 0.3, 0.1]}]
            told = {"model_name": "digits", "model_version": version, "inputs": {"pixels": pixels}, "outputs": outputs}
            rows.append(("inference", name, {"inference_request_id": name, **told}, at, at))
            said = self.feedback(name, value={"label": truth}, model_version=version, source={"kind": "system"})
            rows.append(("feedback", *said, at + timedelta(seconds=1), at + timedelta(seconds=1)))
        self._append(rows)

    def _append(self, rows: list[tuple[str, str, dict[str, Any], datetime, datetime]]) -> list[int]:
        offsets = []
        with Session(self.database.engine) as session:
            for kind, name, body, at, received in rows:
                [appended] = log.append(session, [Fact(1, kind, name, body, at)], received, self.pepper)
                offsets.append(appended.log_offset)
            session.commit()
        return offsets

    def head(self) -> int:
        """The log's last offset."""
        with Session(self.database.engine) as session:
            return log.head(session)

    def refresh(
        self,
        first: datetime = DAY,
        last: datetime | None = None,
        upto: int | None = None,
        checked: bool = False,
        only: str | None = None,
        **tags: str,
    ) -> dg.ExecuteInProcessResult:
        """Runs the job `refresh` for a day or a range of days; its checks, which take most of it, only if asked.

        With `only` (one of PARTS) it makes that table and what it is made from, which costs half as much or less.
        """
        days = str(first.date()), str((last or first).date())
        given = {**span_tags(*days), **tags, **({UPTO_TAG: str(upto)} if upto is not None else {})}
        key = days[0] if days[0] == days[1] else None
        name = f"only_{only}" if only else "refresh" if checked else "tables"
        return self.job(name).execute_in_process(
            instance=self.instance, partition_key=key, tags=given, raise_on_error=False
        )

    def retrain(self, **config: Any) -> dg.ExecuteInProcessResult:
        """Runs the job `retrain`."""
        run_config = {"ops": {"training_dataset": {"config": config}}}
        return self.job("retrain").execute_in_process(
            instance=self.instance, run_config=run_config, raise_on_error=False
        )

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The project's definitions with this world's resources."""
        return dg.Definitions(
            assets=defs.assets,
            asset_checks=defs.asset_checks,
            jobs=[*(defs.jobs or []), *JOBS],
            sensors=defs.sensors,
            resources=self.resources,
            executor=dg.in_process_executor,
        )

    def job(self, name: str) -> dg.JobDefinition:
        """A job of the project with this world's resources."""
        return self.definitions.resolve_job_def(name)

    def rows(self, name: str, *days: datetime) -> list[dict[str, Any]]:
        """The rows stored of an asset, of some days or of all."""
        keys = [str(day.date()) for day in days] or self.lake.days(name)
        table = self.lake.read(name, keys) if keys else self.lake.read(name)
        return table.to_pyarrow().to_pylist()

    def facts(self, *kinds: str) -> list[log.LogRow]:
        """The facts of some kinds, in order."""
        with Session(self.database.engine) as session:
            return log.read(session, 0, 100_000, kinds)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks of a run by name."""
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def key_of(world: World, project: str) -> str:
    """An admin key."""
    with Session(world.database.engine) as session:
        if project != "default":
            session.add(Project(name=project))
            session.flush()
        made = keys.create(session, project, ["admin", "ingest", "read"], utc_now()).key
        session.commit()
    return made
