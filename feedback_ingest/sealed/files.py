"""A segment's file: Parquet with zstd, written whole and synced, read by row groups that are found by offset."""

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 2_000
GROUP_BYTES = 8_388_608
"""A row group ends with the row whose body fills it: what one look decodes stays small, however large events are."""
GROUPS_HELD = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
READ_BYTES = 1_048_576


class SealedRow(NamedTuple):
    """One event as it is read from a file; `body` is the JSON text that was kept."""

    log_offset: int
    project_id: int
    kind: str
    id: str
    occurred_at: datetime
    received_at: datetime
    body: str


READ = SealedRow._fields
COLUMNS = (*READ, "appended_at", "inference_request_id", "model_name", "model_version", "feedback_type")
"""The columns of a file in their order: what we read, then what is handy for whoever else does."""


class Written(NamedTuple):
    """What a file was given: how many rows, which offsets, when received, and a digest of what we read of them."""

    rows: int
    first_offset: int
    last_offset: int
    first_received_at: datetime
    last_received_at: datetime
    content: str


def schema() -> "pa.Schema":
    """The file's columns."""
    import pyarrow as pa

    whole, moment = pa.int64(), pa.timestamp("us", tz="UTC")
    kinds = {"log_offset": whole, "project_id": pa.int32()}
    kinds |= dict.fromkeys(("occurred_at", "received_at", "appended_at"), moment)
    return pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in COLUMNS])


def write(path: Path, rows: Iterable[Sequence[Any]]) -> Written:
    """Writes `rows` (COLUMNS each, in order of offset; at least one) to `path` and syncs it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    digest = Digest()
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema(), compression="zstd", compression_level=6) as writer:
            for group in _groups(rows):
                columns = list(zip(*group, strict=True))
                arrays = [pa.array(column, field.type) for column, field in zip(columns, schema(), strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema()), row_group_size=len(group))
                digest.add(SealedRow(*row[: len(READ)]) for row in group)
        file.flush()
        os.fsync(file.fileno())
    return digest.written()


def read_back(path: Path) -> Written:
    """What stands in the file at `path`, all of it decoded."""
    digest = Digest()
    for number in range(len(_starts(path))):
        digest.add(_rows(path, number))
    return digest.written()


def sha256_of(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def rows_behind(path: Path, after: int) -> Iterator[SealedRow]:
    """The rows with an offset above `after`, in order, decoded as they are taken."""
    starts = _starts_held(path)
    for number in range(max(0, bisect_right(starts, after) - 1), len(starts)):
        yield from (row for row in _rows_held(path, number) if row.log_offset > after)


def rows_at(path: Path, offsets: Iterable[int]) -> Iterator[SealedRow]:
    """The rows at `offsets`, all of which the file has."""
    starts = _starts_held(path)
    for offset in offsets:
        group = _rows_held(path, bisect_right(starts, offset) - 1)
        yield group[offset - group[0].log_offset]


class Digest:
    """Sums rows up: their number, ends and content."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rows = self._first = self._last = 0
        self._earliest, self._latest = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)

    def add(self, rows: Iterable[SealedRow]) -> None:
        """Takes the next rows."""
        for row in rows:
            self._hash.update("\0".join(map(str, row)).encode() + b"\n")
            self._rows += 1
            self._first, self._last = self._first or row.log_offset, row.log_offset
            self._earliest, self._latest = min(self._earliest, row.received_at), max(self._latest, row.received_at)

    def written(self) -> Written:
        """The sum."""
        content = self._hash.hexdigest()
        return Written(self._rows, self._first, self._last, self._earliest, self._latest, content)


def _groups(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    group: list[Sequence[Any]] = []
    size, body = 0, COLUMNS.index("body")
    for row in rows:
        group.append(row)
        size += len(row[body])
        if len(group) == GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _starts(path: Path) -> list[int]:
    """The first offset of each row group."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        return [metadata.row_group(n).column(0).statistics.min for n in range(metadata.num_row_groups)]


def _rows(path: Path, number: int) -> list[SealedRow]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read_row_group(number, columns=list(READ))
    return [SealedRow(*values) for values in zip(*(_values(table[name]) for name in READ), strict=True)]


def _values(column: Any) -> list[Any]:
    """A column as Python values; times by way of microseconds, since pyarrow looks their zone up one by one."""
    import pyarrow as pa

    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    return [EPOCH + timedelta(microseconds=passed) for passed in column.cast(pa.int64()).to_pylist()]


# A file never changes, so what was read of it is true for good.
_starts_held = lru_cache(maxsize=256)(_starts)
_rows_held = lru_cache(maxsize=GROUPS_HELD)(_rows)
