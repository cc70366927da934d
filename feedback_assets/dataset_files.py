"""The files of a dataset, written in one pass over its rows: memory does not grow, equal rows are equal bytes."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from feedback_assets.lake import BATCH_ROWS
from feedback_loop.learning.materials import DIGEST
from feedback_loop.registry.dataset_shelf import INDEX_FILE, MEMBERS_FILE, Dataset, sha256_of

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("example", "feedback_offset", "inference_offset", "weight", "inputs_sha256", DIGEST)
"""Columns of the index beside `split` and `row`."""


class ExampleFiles:
    """Writes the rows of a dataset into one file a split and format, and the index beside them.

    `columns` is the schema of a row without its weight. After `write`, `rows` are those of each split and `digest` is
    the one over all rows.
    """

    def __init__(self, folder: Path, columns: "pa.Schema", formats: tuple[str, ...]) -> None:
        import pyarrow as pa

        self.folder = folder
        self.schema = columns.append(pa.field("weight", pa.float64()))
        self.formats = formats
        self.rows: Counter[str] = Counter({"train": 0})
        self._digest = hashlib.sha256()
        self._writers: dict[str, Any] = {}

    def write(self, reader: "pa.RecordBatchReader") -> None:
        """Takes all rows, in order."""
        for batch in reader:
            for split in ("train", "test"):
                self._add(split, _of_split(batch, split))
        self._add("train", None)
        for writer in self._writers.values():
            writer.close()

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the rows so far."""
        return self._digest.hexdigest()

    def _add(self, split: str, batch: "pa.RecordBatch | None") -> None:
        """Writes some rows of a split; None only makes sure that its files are there."""
        import pyarrow as pa

        if batch is not None and not batch.num_rows:
            return
        rows = pa.RecordBatch.from_pylist([], self.schema) if batch is None else batch.select(self.schema.names)
        for kind in self.formats:
            self._writer(f"{split}.{kind}", self.schema).write_batch(rows.cast(self.schema))
        indexed = _indexed(split, self.rows[split], batch)
        self._digest.update("".join(each + "\n" for each in indexed[DIGEST].to_pylist()).encode())
        self._writer(INDEX_FILE, indexed.schema).write_batch(indexed)
        self.rows[split] += indexed.num_rows

    def _writer(self, name: str, schema: "pa.Schema") -> Any:
        import pyarrow.parquet as pq

        if name not in self._writers:
            path = self.folder / name
            self._writers[name] = (
                _JsonLines(path) if name.endswith(".jsonl") else pq.ParquetWriter(path, schema, compression="zstd")
            )
        return self._writers[name]


class _JsonLines:
    """Rows as JSON, one a line; times in RFC 3339."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write_batch(self, batch: "pa.RecordBatch") -> None:
        for row in batch.to_pylist():
            self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))

    def close(self) -> None:
        self._file.close()


def write_members(folder: Path, reader: "pa.RecordBatchReader") -> None:
    """Every feedback that was looked at, with its outcome, in the order of the log."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(folder / MEMBERS_FILE, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch, row_group_size=BATCH_ROWS)


def described(folder: Path) -> list[dict[str, Any]]:
    """The files of a folder, by name: path, sha256, bytes, and of Parquet its rows."""
    import pyarrow.parquet as pq

    found = []
    for path in sorted(folder.iterdir()):
        rows = {"rows": pq.read_metadata(path).num_rows} if path.suffix == ".parquet" else {}
        found.append({"path": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size, **rows})
    return found


def _of_split(batch: "pa.RecordBatch", split: str) -> "pa.RecordBatch":
    import pyarrow.compute as pc

    is_in = pc.equal(batch["split"], split)
    return batch if pc.all(is_in).as_py() else batch.filter(is_in)


def _indexed(split: str, start: int, batch: "pa.RecordBatch | None") -> "pa.RecordBatch":
    """The rows of the index for these rows, which stand from `start` on in their split."""
    import pyarrow as pa

    whole, text = pa.int64(), pa.string()
    kinds = dict(zip(COLUMNS, (whole, whole, whole, pa.float64(), text, text), strict=True))
    schema = pa.schema({"split": text, "row": whole, **kinds})
    if batch is None:
        return pa.RecordBatch.from_pylist([], schema)
    places = [pa.repeat(pa.scalar(split, text), batch.num_rows), pa.arange(start, start + batch.num_rows)]
    return pa.RecordBatch.from_arrays([*places, *(batch[name].cast(kinds[name]) for name in COLUMNS)], schema=schema)


def copied(dataset: Dataset, folder: Path, kind: str) -> list[Path]:
    """The splits of a dataset written into `folder` as `parquet` or `jsonl`; raises DatasetDamaged."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for split in dataset.manifest["splits"]:
        rows, path = dataset.rows(split), folder / f"{split}.{kind}"
        writer = _JsonLines(path) if kind == "jsonl" else pq.ParquetWriter(path, rows.schema, compression="zstd")
        for batch in rows.to_batches(BATCH_ROWS):
            writer.write_batch(batch)
        writer.close()
        found.append(path)
    return found
