"""What a demo shows of preferences: a reward model beside its baselines, its metric, and datasets to train on."""

from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from feedback_cli.demo.observer import Observer
from feedback_cli.supervision.system import System
from feedback_ingest.log import LogRow
from feedback_ingest.postgres import Database
from feedback_loop.learning.reward_model import TRAINED
from feedback_loop.stream.tables import LiveMetric

METRIC = "reward_score"
ENOUGH_JUDGED = 100
"""A mean of fewer answers is not shown."""
RECIPES: dict[str, dict[str, Any]] = {
    "sft": {"format": "prompt_completion", "where": {"feedback_types": ["explicit_correction", "explicit_binary"]}},
    "preference": {"format": "trl_preference"},
}
"""The datasets that are compiled at the end: demonstrations, and pairs."""
SHORT = 90


def in_force(observer: Observer) -> LogRow | None:
    """The newest fact of a reward model that judges answers; None before there is one."""
    found = [fact for fact in observer.facts if fact.kind == TRAINED and fact.body["is_in_force"]]
    return found[-1] if found else None


def scores(database: Database, project_id: int, model_name: str) -> dict[str, dict[str, float]]:
    """The rolling reward metric by segment, over all buckets and versions: its mean, and the answers it rests on."""
    wanted = select(LiveMetric).where(
        LiveMetric.project_id == project_id, LiveMetric.model_name == model_name, LiveMetric.metric == METRIC
    )
    sums: dict[str, list[float]] = {}
    with Session(database.engine) as session:
        for bucket in session.exec(wanted.order_by(col(LiveMetric.segment))):
            up, down = sums.get(bucket.segment, [0.0, 0.0])
            sums[bucket.segment] = [up + float(bucket.numerator), down + float(bucket.denominator)]
    return {segment: {"mean": round(up / down, 4), "answers": down} for segment, (up, down) in sums.items() if down}


def judged(database: Database, project_id: int, model_name: str) -> bool:
    """Whether the reward model has judged enough answers for a mean."""
    return scores(database, project_id, model_name).get("", {}).get("answers", 0) >= ENOUGH_JUDGED


def compiled(system: System, project_id: int, model_name: str) -> dict[str, dict[str, Any]]:
    """Each dataset of RECIPES, compiled from the log as it is now and opened as a trainer would: rows, and one of them.

    Raises FeedbackError.
    """
    from feedback_assets.compiling import compile_dataset
    from feedback_assets.dataset_sources import of_log
    from feedback_assets.resources import LogResource
    from feedback_ingest import log as event_log
    from feedback_ingest.decisions import COMMAND_LINE
    from feedback_loop.learning.recipes import recipe_of

    log = LogResource(data_dir=str(system.settings.data_dir), database_url=system.database.url)
    with log.session() as session:
        head = event_log.head(session)
    made = {}
    with of_log(log, head, log.settings.data_dir) as sources:
        for name, recipe in RECIPES.items():
            wanted = recipe_of({"model_name": model_name, **recipe}, log.settings.golden_share)
            dataset = compile_dataset(log, sources, wanted, project_id, head, {"actor": COMMAND_LINE})
            made[name] = {"version": dataset.version, "format": wanted.format, **opened(dataset.folder)}
    return made


def opened(folder: Path) -> dict[str, Any]:
    """What is in a dataset's Parquet file, read as any reader of Parquet does."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "train.parquet")
    first = {name: str(value)[:SHORT] for name, value in table.slice(0, 1).to_pylist()[0].items()} if len(table) else {}
    return {"folder": str(folder), "rows": len(table), "columns": table.column_names, "first": first}


def missed(found: dict[str, Any]) -> list[str]:
    """What the preferences promised and did not keep, each a sentence."""
    if not found["reward_model"]:
        return ["no reward model was in force"]
    faults = []
    if not found["scores"].get("", {}).get("answers"):
        faults.append("the reward model judged no answer")
    faults += [f"the {name} dataset is empty" for name, each in found["datasets"].items() if not each["rows"]]
    return faults


def rows(found: dict[str, Any]) -> dict[str, str]:
    """The same as lines of the table at the end."""
    told = {f"{name} dataset": f"{each['rows']} rows in {each['folder']}" for name, each in found["datasets"].items()}
    model = found["reward_model"]
    if model:
        told["reward model"] = f"{model['model_version']}: {model['reason']}"
    for segment, each in found["scores"].items():
        told[f"reward score {segment}".strip()] = f"{each['mean']:.3f} over {each['answers']:,.0f} answers"
    return told
