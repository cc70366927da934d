"""Compiling a training dataset: which model, which rows, which name, and the fact that says it is there."""

from typing import TYPE_CHECKING, Any

from feedback_assets import datasets_on_disk, facts
from feedback_assets.balancing import balanced
from feedback_assets.datasets_on_disk import Dataset, known_versions, next_version
from feedback_assets.references import table_of, with_read_inputs
from feedback_assets.resources import LogResource
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import FeedbackError
from feedback_ingest.settings import Settings
from feedback_loop.learning.bias.balancing import told as balance_told
from feedback_loop.learning.datasets import Recipe, training_rows
from feedback_loop.registry.champions import champion, lock_model

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

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
    log: LogResource, labeled: "ibis.Table", inferences: "ibis.Table", recipe: Recipe, log_offset: int
) -> Dataset:
    """Writes the next dataset of the model, from what the log held at `log_offset`, and appends `dataset_compiled`.

    Who compiles for the same model at the same time waits. Raises Unrepresentative.
    """
    known = labeled.filter(labeled.feedback_offset <= log_offset, labeled.inference_offset <= log_offset)
    wanted = training_rows(known, recipe).to_pyarrow().to_pylist()
    read, excluded = with_read_inputs(log, recipe.project_id, wanted)
    rows, balance = balanced(read, inferences, recipe, log_offset, log.settings.dataset_most_psi)
    with log.session() as session:
        lock_model(session, recipe.project_id, recipe.model_name)
        told = facts.of_model(facts.read(session, TOLD), recipe.project_id, recipe.model_name)
        serving = champion(session, recipe.project_id, recipe.model_name)
        names = known_versions(told) + answering(labeled, recipe) + ([serving.model_version] if serving else [])
        root = datasets_on_disk.root(log.settings.data_dir, recipe.project_id)
        name = next_version(recipe.model_name, names)
        dataset = datasets_on_disk.write(
            root, name, table_of(rows), recipe, log_offset, excluded, balance_told(balance)
        )
        facts.append(
            session, log.pepper, recipe.project_id, facts.DATASET_COMPILED, dataset.version, _body(dataset), utc_now()
        )
    return dataset


def answering(labeled: "ibis.Table", recipe: Recipe) -> list[str]:
    """The versions of the model that gave labelled answers, registered here or not: none may be named again."""
    mine = labeled.filter(labeled.project_id == recipe.project_id, labeled.model_name == recipe.model_name)
    versions: list[str] = mine.select("model_version").distinct().to_pyarrow()["model_version"].to_pylist()
    return versions


def _body(dataset: Dataset) -> dict[str, Any]:
    told = dataset.manifest
    return {
        "model_name": told["recipe"]["model_name"],
        "dataset_version": dataset.version,
        "log_offset": told["log_offset"],
        "rows": told["rows"],
        "first_feedback_offset": told["first_feedback_offset"],
        "labels": told["labels"],
        "row_digest": told["row_digest"],
        "references": told["references"],
        "sha256": told["files"][0]["sha256"],
    }


def recipe_for(labeled: "ibis.Table", project_id: int, model_name: str | None, settings: Settings) -> Recipe:
    """How a dataset of that model is made; without a name it is the model with the most labels."""
    if model_name is None:
        project_id, model_name = most_labelled(labeled)
    return Recipe(project_id, model_name, settings.training_rows, settings.golden_share, SEED)


def dataset_row(dataset: Dataset) -> "pa.Table":
    """The dataset as the one row that the asset holds."""
    import pyarrow as pa

    told = dataset.manifest
    row = {
        "project_id": told["recipe"]["project_id"],
        "model_name": told["recipe"]["model_name"],
        "dataset_version": dataset.version,
        "rows": told["rows"],
        "row_digest": told["row_digest"],
        "log_offset": told["log_offset"],
        "seed": told["seed"],
    }
    return pa.Table.from_pylist([row])
