"""Compiling a dataset: which rows, which files, which name, and the fact that says it is there."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlmodel import Session, col, func, select

from feedback_assets import facts
from feedback_assets.balancing import balanced
from feedback_assets.dataset_files import ExampleFiles, described, write_members
from feedback_assets.dataset_parts import base_batches, base_of, counted, exact, joined_members, read_elsewhere
from feedback_assets.lake import engine, executed
from feedback_assets.resources import LogResource
from feedback_assets.workbench import workbench
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import KINDS
from feedback_ingest.errors import FeedbackError
from feedback_ingest.feedback_types import collect as feedback_types
from feedback_ingest.schema_versions import versions
from feedback_ingest.settings import Settings
from feedback_ingest.tables import EventKey
from feedback_loop.learning import dataset_formats
from feedback_loop.learning.bias.balancing import told as balance_told
from feedback_loop.learning.familiarity import sampled
from feedback_loop.learning.manifests import Origin, Parts, manifest
from feedback_loop.learning.materials import examples
from feedback_loop.learning.membership import Sources, members
from feedback_loop.learning.recipes import Recipe
from feedback_loop.registry import dataset_shelf
from feedback_loop.registry.champions import champion, lock_model
from feedback_loop.registry.dataset_shelf import INDEX_FILE, MANIFEST_FILE, Dataset, known_versions, next_version

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

LIBRARIES = ("feedback-loop", "duckdb", "ibis-framework", "numpy", "pyarrow", "scikit-learn")
SOURCES = ("feedback_ingest", "feedback_loop", "expectations", "feedback_assets")
SEED = 0
TOLD = (facts.DATASET_COMPILED, facts.MODEL_PROMOTED, facts.MODEL_REFUSED)


class NothingLabelled(FeedbackError):
    """No inference has a believed label yet; give labels, or wait for the next refresh."""

    code = "nothing-labelled"


def most_labelled(labeled: "ibis.Table") -> tuple[int, str]:
    """The project and model with the most labels: what is trained where nobody says; raises NothingLabelled."""
    keys = ["project_id", "model_name"]
    sums = labeled.group_by(keys).agg(labels=labeled.count())
    found = sums.order_by(sums.labels.desc(), *keys).limit(1).to_pyarrow().to_pylist()
    if not found:
        raise NothingLabelled()
    return found[0]["project_id"], found[0]["model_name"]


def compile_dataset(
    log: LogResource, sources: Sources, recipe: Recipe, project_id: int, log_offset: int,
    asked: Mapping[str, Any] | None = None,
) -> Dataset:  # fmt: skip
    """Writes the next dataset of the model, from what the log held at `log_offset`, and appends `dataset_compiled`.

    `asked` tells in that fact who asked for it, as `actor`, where it was not the loop itself. Who compiles for the same
    model at the same time waits. Raises DatasetDamaged, ReferencesAway, Unrepresentative, ValidationFailed.
    """
    with log.session() as session:
        lock_model(session, project_id, recipe.model_name)
        told = facts.of_model(facts.read(session, TOLD), project_id, recipe.model_name)
        serving = champion(session, project_id, recipe.model_name)
        names = known_versions(told) + answering(sources, recipe, project_id)
        name = next_version(recipe.model_name, names + ([serving.model_version] if serving else []))
        origin = origin_of(session, project_id, log_offset)
        root = dataset_shelf.root(log.settings.data_dir, project_id)
        with dataset_shelf.writing(root, name) as folder:
            made = produce(log, sources, recipe, origin, name, folder)
        dataset = dataset_shelf.read(root, name)
        body = {**_body(made), "sample": _sample(dataset), **(asked or {})}
        facts.append(session, log.pepper, project_id, facts.DATASET_COMPILED, name, body, utc_now())
    return dataset


def produce(
    log: LogResource, sources: Sources, recipe: Recipe, origin: Origin, name: str, folder: Path
) -> dict[str, Any]:
    """Writes all files of a dataset into `folder`; its manifest. Equal sources and recipe give equal bytes."""
    kind = dataset_formats.collect()[recipe.format]()
    base = base_of(log.settings, origin.project_id, recipe)
    with workbench() as bench:
        sources = sources._replace(base=base.inferences) if base else sources
        found = members(sources, recipe, origin.project_id, bench)
        found, read, references = read_elsewhere(log, origin.project_id, found, sources, bench)
        found, balance = balanced(found, sources, recipe, origin.project_id, bench, log.settings.dataset_most_psi)
        files = ExampleFiles(folder, kind.schema(), ("parquet", "jsonl") if recipe.jsonl else ("parquet",))
        rows = examples(found, sources, recipe, read)
        files.write(exact(base_batches(base, bench), bench.reader(rows)))
        write_members(folder, bench.reader(joined_members(found.all, base)))
        counts = counted(found, sources, folder, files.rows, bench)
    parts = Parts(described(folder), references, balance_told(balance))
    made = manifest(name, recipe, origin, counts, files.digest, parts)
    (folder / MANIFEST_FILE).write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2))
    return made


def origin_of(session: Session, project_id: int, log_offset: int) -> Origin:
    """What rows of a project follow from, as the log was at the offset and as this program is."""
    newest = (
        select(EventKey.kind, func.max(EventKey.log_offset))
        .where(EventKey.project_id == project_id, col(EventKey.kind).in_(KINDS), col(EventKey.log_offset) <= log_offset)
        .group_by(EventKey.kind)
    )
    forgotten = select(func.count()).where(EventKey.project_id == project_id, EventKey.kind == "subject_erased")
    return Origin(
        project_id,
        log_offset,
        dict(session.exec(newest).all()),
        {name: versions(kind) for name, kind in feedback_types().items()},
        _code(),
        {name: version(name) for name in LIBRARIES},
        session.exec(forgotten).one(),
    )


def answering(sources: Sources, recipe: Recipe, project_id: int) -> list[str]:
    """The versions of the model that gave answers, registered here or not: none may be named again."""
    asked = sources.inferences
    mine = asked.filter(asked.project_id == project_id, asked.model_name == recipe.model_name)
    found: list[str] = mine.select("model_version").distinct().to_pyarrow()["model_version"].to_pylist()
    return found


def recipe_for(
    labeled: "ibis.Table", project_id: int, model_name: str | None, settings: Settings
) -> tuple[int, Recipe]:
    """The project, and how a dataset of that model is made; without a name it is the model with the most labels."""
    if model_name is None:
        project_id, model_name = most_labelled(labeled)
    rows, golden_share = settings.training_rows, settings.golden_share
    return project_id, Recipe(model_name=model_name, rows=rows, golden_share=golden_share, seed=SEED)


def dataset_row(dataset: Dataset) -> "pa.Table":
    """The dataset as the one row that the asset holds."""
    import pyarrow as pa

    told = dataset.manifest
    row = {
        "project_id": told["project_id"],
        "model_name": told["recipe"]["model_name"],
        "dataset_version": dataset.version,
        "rows": told["rows"],
        "row_digest": told["row_digest"],
        "log_offset": told["log_offset"],
        "seed": told["seed"],
    }
    return pa.Table.from_pylist([row])


def _body(told: Mapping[str, Any]) -> dict[str, Any]:
    named = ("dataset_version", "log_offset", "recipe", "rows", "splits", "first_feedback_offset", "labels",
             "row_digest", "references")  # fmt: skip
    return {name: told[name] for name in named} | {
        "model_name": told["recipe"]["model_name"],
        "format": told["recipe"]["format"],
        "files": {file["path"]: file["sha256"] for file in told["files"]},
    }


def _sample(dataset: Dataset) -> list[int]:
    """The inferences that stand for the dataset where it is asked how unlike another one is to it."""
    index = engine().read_parquet(str(dataset.folder / INDEX_FILE))
    found: list[int] = executed(sampled(index)).read_all()["inference_offset"].to_pylist()
    return found


@cache
def _code() -> str:
    """A digest over our own sources: what makes rows of a log is code, and its number may stand still."""
    digest = hashlib.sha256()
    home = Path(__file__).parents[1]
    for path in sorted(path for room in SOURCES for path in (home / room).rglob("*.py")):
        digest.update(f"{path.relative_to(home).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()
