"""Training datasets as folders: Parquet and a manifest, written whole, named in turn, and told as a fact."""

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from feedback_ingest.clock import new_id
from feedback_ingest.errors import FeedbackError
from feedback_loop.learning.datasets import Recipe, manifest
from feedback_loop.learning.references import Excluded, references_told
from feedback_loop.registry.shelf import file_name

if TYPE_CHECKING:
    import pyarrow as pa

LIBRARIES = ("feedback-loop", "duckdb", "ibis-framework", "pyarrow", "scikit-learn")
ROWS_FILE = "train.parquet"
MANIFEST_FILE = "manifest.json"


class DatasetDamaged(FeedbackError):
    """A file of the dataset is missing or not the one its manifest names; compile the dataset again."""

    code = "dataset-damaged"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A training dataset on the disk."""

    version: str
    folder: Path
    manifest: dict[str, Any]

    def rows(self) -> "pa.Table":
        """The training rows, in order; raises DatasetDamaged unless they are the bytes that the manifest names."""
        import pyarrow.parquet as pq

        path = self.folder / ROWS_FILE
        [named] = self.manifest["files"]
        if not path.exists() or _sha256(path) != named["sha256"]:
            raise DatasetDamaged(f"{path} is missing or not what its manifest names; compile the dataset again")
        return pq.read_table(path)


def root(data_dir: Path, project_id: int) -> Path:
    """The folder of a project's datasets."""
    return data_dir / "datasets" if project_id == 1 else data_dir / "datasets" / f"project-{project_id}"


def next_version(model_name: str, known: Iterable[str]) -> str:
    """The next of `<model>-0001`, `<model>-0002`, …, beyond all `known` versions of datasets and models."""
    pattern = re.compile(re.escape(model_name) + r"-(\d{4,9})")
    numbers = [int(found[1]) for each in known if (found := pattern.fullmatch(each))]
    return f"{model_name}-{max(numbers, default=0) + 1:04d}"


def write(
    root: Path,
    dataset_version: str,
    rows: "pa.Table",
    recipe: Recipe,
    log_offset: int,
    excluded: Sequence[Excluded] = (),
    skews: Sequence[Mapping[str, Any]] = (),
) -> Dataset:
    """Writes the folder `root/<version>`, whole or not at all; equal rows and recipe give equal bytes.

    `excluded` are the inferences whose inputs could not be read, `skews` how the rows differ from traffic. What stands
    there already is a remnant of a run that was killed before it could tell of it, and is replaced.
    """
    import pyarrow.parquet as pq

    root.mkdir(parents=True, exist_ok=True)
    target, partial = root / file_name(dataset_version), root / f".{new_id().hex}.partial"
    partial.mkdir()
    try:
        pq.write_table(rows.replace_schema_metadata(None), partial / ROWS_FILE, compression="zstd")
        file = {
            "path": ROWS_FILE,
            "sha256": _sha256(partial / ROWS_FILE),
            "bytes": (partial / ROWS_FILE).stat().st_size,
        }
        told = rows.to_pylist()
        described = manifest(
            dataset_version, recipe, log_offset, told, _versions(), [file], references_told(told, excluded), skews
        )
        (partial / MANIFEST_FILE).write_bytes(orjson.dumps(described, option=orjson.OPT_INDENT_2))
        if target.exists():
            shutil.rmtree(target)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Dataset(dataset_version, target, described)


def read(root: Path, dataset_version: str) -> Dataset:
    """The dataset of that version; raises DatasetDamaged where there is none."""
    folder = root / file_name(dataset_version)
    try:
        return Dataset(dataset_version, folder, orjson.loads((folder / MANIFEST_FILE).read_bytes()))
    except OSError as error:
        raise DatasetDamaged(f"there is no dataset {dataset_version} in {root}") from error


def known_versions(facts: Sequence[Any]) -> list[str]:
    """The versions that facts about one model speak of, of datasets and of models."""
    named = ("dataset_version", "model_version", "previous_version")
    return [fact.body[name] for fact in facts for name in named if name in fact.body]


def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
