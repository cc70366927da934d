"""Rebuilding a dataset from the log alone, and holding the bytes against those that were compiled."""

from typing import Any, NamedTuple

from feedback_assets.compiling import origin_of, produce
from feedback_assets.dataset_sources import of_log
from feedback_assets.resources import LogResource
from feedback_ingest.errors import FeedbackError, NotFound
from feedback_loop.learning.manifests import faults_of
from feedback_loop.learning.recipes import recipe_of
from feedback_loop.registry import dataset_shelf
from feedback_loop.registry.dataset_shelf import MANIFEST_FILE, DatasetDamaged, sha256_of
from feedback_loop.registry.lineage import compiled_datasets


class NotReproduced(FeedbackError):
    """The log gives other bytes now than were compiled; the message names the files, and what of us has changed."""

    code = "not-reproduced"


class WithoutRecipe(FeedbackError):
    """The dataset was compiled before there were recipes, so the log does not say how; compile one anew."""

    code = "without-recipe"


class Rebuilt(NamedTuple):
    """What was made again, equal in every byte, and put in place of what stood there."""

    dataset_version: str
    rows: int
    row_digest: str
    files: list[dict[str, Any]]


def rebuild(log: LogResource, project_id: int, dataset_version: str) -> Rebuilt:
    """Makes a dataset again from the log as it was at the dataset's offset, whatever came later or was deleted.

    It needs its fact in the log and no file of it. Raises NotFound, WithoutRecipe, and NotReproduced where any
    byte is another one: then what stands on the disk is left as it is.
    """
    with log.session() as session:
        known = [told for told in compiled_datasets(session, project_id) if told["dataset_version"] == dataset_version]
        if not known:
            raise NotFound(f"there is no dataset {dataset_version}; `feedback dataset list` names those there are")
        told = known[-1]
        if "recipe" not in told:
            raise WithoutRecipe(
                f"{dataset_version} was compiled before there were recipes, so the log does not say how it was made; "
                "compile one anew"
            )
        origin = origin_of(session, project_id, told["log_offset"])
    recipe = recipe_of(told["recipe"], told["recipe"]["golden_share"])
    root = dataset_shelf.root(log.settings.data_dir, project_id)
    _have_base(log, project_id, recipe.appends_to)
    kept = _manifest(log, project_id, told)
    then = of_log(log, origin.log_offset, log.settings.data_dir)
    with then as sources, dataset_shelf.writing(root, dataset_version) as folder:
        made = produce(log, sources, recipe, origin, dataset_version, folder)
        faults = [
            f"{path} is another one"
            for path, digest in told["files"].items()
            if not (folder / path).exists() or sha256_of(folder / path) != digest
        ]
        if faults or made["row_digest"] != told["row_digest"]:
            raise NotReproduced(f"{dataset_version} was not reproduced: {'; '.join(faults)}{_changed(kept, made)}")
        if kept is not None:
            (folder / MANIFEST_FILE).write_bytes(kept)
    return Rebuilt(dataset_version, made["rows"], made["row_digest"], made["files"])


def _have_base(log: LogResource, project_id: int, appends_to: str | None) -> None:
    """Makes the dataset that this one appends to again, where a byte of it is missing."""
    if appends_to is None:
        return
    try:
        found = dataset_shelf.read(dataset_shelf.root(log.settings.data_dir, project_id), appends_to)
        is_whole = not found.faults()
    except DatasetDamaged:
        is_whole = False
    if not is_whole:
        rebuild(log, project_id, appends_to)


def _manifest(log: LogResource, project_id: int, told: dict[str, Any]) -> bytes | None:
    """The manifest as it was written, where it is still there and sound."""
    root = dataset_shelf.root(log.settings.data_dir, project_id)
    try:
        found = dataset_shelf.read(root, told["dataset_version"])
    except DatasetDamaged:
        return None
    return (found.folder / MANIFEST_FILE).read_bytes() if not faults_of(found.manifest, told) else None


def _changed(kept: bytes | None, made: dict[str, Any]) -> str:
    """Which of our code and libraries are others now."""
    import orjson

    if kept is None:
        return ""
    before = orjson.loads(kept)
    names = [name for name, version in made["versions"].items() if before["versions"].get(name) != version]
    names += ["our code"] if before["code"] != made["code"] else []
    return f" ({', '.join(names)} changed since)" if names else ""
