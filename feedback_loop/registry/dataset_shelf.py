"""Datasets on the shelf: folders of Parquet beside a manifest, each a version, written whole, checked by digest."""

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from feedback_ingest.clock import new_id
from feedback_ingest.errors import FeedbackError
from feedback_loop.learning.manifests import faults_of
from feedback_loop.registry.shelf import file_name

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST_FILE = "manifest.json"
INDEX_FILE = "rows.parquet"
"""One row an example's row: in which split and place it stands, what it rests on, its weight and its digest."""

MEMBERS_FILE = "members.parquet"
"""One row a feedback that was looked at: its offset, its inference's, and its outcome."""


class DatasetDamaged(FeedbackError):
    """A file of the dataset is missing or not the one its manifest names; rebuild the dataset."""

    code = "dataset-damaged"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset on the disk; `fact` is what the log tells of it, where it was asked."""

    version: str
    folder: Path
    manifest: dict[str, Any]
    fact: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, split: str = "train") -> "pa.Table":
        """The rows of a split, in order; raises DatasetDamaged unless they are the bytes that the manifest names."""
        return self.table(f"{split}.parquet")

    def table(self, name: str) -> "pa.Table":
        """A file of the dataset; raises DatasetDamaged as `rows` does."""
        import pyarrow.parquet as pq

        faults = [fault for fault in self.faults() if fault.startswith((f"{name} ", f"{MANIFEST_FILE} "))]
        path = self.folder / name
        if faults or not any(file["path"] == name for file in self.manifest["files"]):
            raise DatasetDamaged(
                f"{name} of {self.version} is missing or not what its manifest names; rebuild the dataset"
            )
        return pq.read_table(path)

    def faults(self) -> list[str]:
        """What is wrong with the files, a sentence each; empty where every byte is the one that was written.

        Of a manifest that is damaged itself nothing is believed.
        """
        found = faults_of(self.manifest, self.fact)
        if found:
            return found
        for file in self.manifest["files"]:
            path = self.folder / file["path"]
            if not path.exists():
                found.append(f"{file['path']} is missing")
            elif sha256_of(path) != file["sha256"]:
                found.append(f"{file['path']} does not have the SHA-256 of its manifest")
        return found


def root(data_dir: Path, project_id: int) -> Path:
    """The folder of a project's datasets."""
    return data_dir / "datasets" if project_id == 1 else data_dir / "datasets" / f"project-{project_id}"


def folder_of(root: Path, dataset_version: str) -> Path:
    """The folder of a dataset."""
    return root / file_name(dataset_version)


def next_version(model_name: str, known: Iterable[str]) -> str:
    """The next of `<model>-0001`, `<model>-0002`, …, beyond all `known` versions of datasets and models."""
    pattern = re.compile(re.escape(model_name) + r"-(\d{4,9})")
    numbers = [int(found[1]) for each in known if (found := pattern.fullmatch(each))]
    return f"{model_name}-{max(numbers, default=0) + 1:04d}"


@contextmanager
def writing(root: Path, dataset_version: str) -> Iterator[Path]:
    """A folder to write into, which becomes `root/<version>` once the block ends well: whole or not at all.

    What stands there already is a remnant of a run that was killed before it could tell of it, and is replaced.
    """
    root.mkdir(parents=True, exist_ok=True)
    target, partial = folder_of(root, dataset_version), root / f".{new_id().hex}.partial"
    partial.mkdir()
    try:
        yield partial
        if target.exists():
            shutil.rmtree(target)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read(root: Path, dataset_version: str) -> Dataset:
    """The dataset of that version; raises DatasetDamaged where there is none, or a manifest that nobody can read."""
    folder = folder_of(root, dataset_version)
    try:
        return Dataset(dataset_version, folder, orjson.loads((folder / MANIFEST_FILE).read_bytes()))
    except OSError as error:
        raise DatasetDamaged(f"there are no files of {dataset_version} on the shelf; rebuild it") from error
    except ValueError as error:
        raise DatasetDamaged(f"manifest.json of {dataset_version} is no JSON any more; rebuild it") from error


def known_versions(facts: Sequence[Any]) -> list[str]:
    """The versions that facts about one model speak of, of datasets and of models."""
    named = ("dataset_version", "model_version", "previous_version")
    return [fact.body[name] for fact in facts for name in named if name in fact.body]


def sha256_of(path: Path) -> str:
    """The digest of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
