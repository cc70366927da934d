"""Parquet files under the data directory, one a table or one a day of it; nothing here knows what a table means.

Files are replaced whole: whoever reads sees the old one or the new one, and a killed writer leaves nothing that counts.
"""

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, Union

from feedback_ingest.clock import new_id, utc_now
from feedback_ingest.settings import get_settings

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis import Table
else:
    Table = Any  # Dagster reads the annotations of an asset when it is defined, and ibis is not to be imported then

Rows: TypeAlias = Union["pa.Table", "pa.RecordBatchReader", "ibis.Table"]
"""What can be stored."""

Told: TypeAlias = str | Callable[[], str]
"""A note that goes into the file; a function is asked once all rows were taken."""

BATCH_ROWS = 65_536
ABANDONED_S = 86_400
NOTE = b"feedback.note"
MARK = 32
"""A table that is read gets a name with so many hexadecimal digits at its end: no two reads share a view."""

DAY_COLUMN = "received_day"
"""A table without `received_at` says in this column (a UTC date) which partition a row belongs to."""


class NothingMaterialized(Exception):
    """The table has not been materialised yet."""


@cache
def engine() -> Any:
    """The process's one DuckDB, through ibis: tables can only be joined where they live in the same one.

    What does not fit into its memory it spills to the disk.
    """
    import ibis

    connection = ibis.duckdb.connect()
    atexit.register(connection.disconnect)  # or its functions outlive it, and the process's last words are about them
    # A file that was replaced must be read anew, and times must come back in UTC.
    connection.raw_sql("SET enable_external_file_cache = false")
    connection.raw_sql("SET TimeZone = 'UTC'")
    # DuckDB 2.0 cannot bind NOT IN over a column whose statistics say that it is always one of the list, and where the
    # second row of a group is asked for (`row_number() - 1 = 1`) in a subquery that is read twice, it gives the first.
    connection.raw_sql("SET disabled_optimizers = 'in_clause,top_n_window_elimination'")
    settings = get_settings()
    connection.raw_sql(f"SET memory_limit = '{settings.lake_memory_mb}MB'")
    spilled = str(settings.data_dir / "spilled").replace("'", "''")
    connection.raw_sql(f"SET temp_directory = '{spilled}'")
    return connection


def held(table: "ibis.Table", name: str) -> "ibis.Table":
    """The rows of `table`, worked out now and held by DuckDB for whoever reads them twice; one such table a name."""
    connection = engine()
    connection._run_pre_execute_hooks(table)  # tables in memory are made known to DuckDB
    connection.con.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {connection.compile(table)}')
    return connection.table(name)


class Lake:
    """The folder of Parquet files: `<table>.parquet`, or `<table>/<day>.parquet` for a table by day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, day: str | None = None) -> Path:
        """Where a table, or one day of it, is stored."""
        return self.folder / f"{name}.parquet" if day is None else self.folder / name / f"{day}.parquet"

    def days(self, name: str) -> list[str]:
        """The days that are stored of a table, oldest first."""
        return sorted(path.stem for path in (self.folder / name).glob("????-??-??.parquet"))

    def read(self, name: str, days: Sequence[str] | None = None) -> "ibis.Table":
        """A table, or those of its `days` that are stored; rows are read when asked for; raises NothingMaterialized."""
        if days is None:
            paths = [self.path(name)] if self.path(name).exists() else []
        else:
            stored = set(self.days(name))
            paths = [self.path(name, day) for day in days if day in stored]
        if not paths:
            raise NothingMaterialized(f"nothing is stored of {name} yet; materialise it first")
        return _view(paths, name)

    def write(self, rows: Rows, name: str, day: str | None = None, note: Told = "") -> int:
        """Stores `rows` in place of what was there, whole or not at all; returns how many."""
        with replacing(self.path(name, day)) as path:
            return _write(rows, path, note)

    def write_days(self, rows: Rows, name: str, days: Sequence[str], note: Told = "") -> int:
        """Stores `rows` as one file a day (each whole or not at all); the memory does not grow with them."""
        if len(days) == 1:
            return self.write(rows, name, days[0], note)
        with scratch(self.folder / name) as path:
            _write(rows, path, note)
            table = _view([path], name)
            day_of = table[DAY_COLUMN] if DAY_COLUMN in table.columns else table.received_at.date()
            return sum(self.write(table.filter(day_of.cast("string") == day), name, day, note) for day in days)

    def note(self, name: str, day: str | None = None) -> str:
        """What was noted when the table was stored; empty where nothing is."""
        path = self.path(name, day)
        return note_of(path) if path.exists() else ""


def note_of(path: Path) -> str:
    """What was noted when the file was written."""
    import pyarrow.parquet as pq

    return (pq.read_metadata(path).metadata or {}).get(NOTE, b"").decode()


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A file name in `folder` that no reader looks at; whatever is there afterwards is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    path = folder / f".{new_id().hex}.partial"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Removes what writers left behind that were killed long ago; a younger file may belong to one at work."""
    for path in folder.glob(".*.partial"):
        if path.stat().st_mtime < utc_now().timestamp() - ABANDONED_S:
            path.unlink(missing_ok=True)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A name to write to, which takes the place of `target` once the block ends well and the bytes are on the disk."""
    with scratch(target.parent) as path:
        yield path
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.replace(target)


def stored_name(view: str) -> str | None:
    """The table that a name in an expression stands for, where `Lake.read` gave it; None for any other."""
    table, _, mark = view.rpartition("_")
    return table if len(mark) == MARK and table else None


def _view(paths: Sequence[Path], name: str) -> "ibis.Table":
    files = [str(path) for path in paths]
    return engine().read_parquet(files, union_by_name=True, table_name=f"{name}_{new_id().hex}")


def _write(rows: Rows, path: Path, note: Told) -> int:
    import pyarrow.parquet as pq

    batches = _batches(rows)
    count = 0
    with pq.ParquetWriter(path, batches.schema.remove_metadata(), compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(None), row_group_size=BATCH_ROWS)
            count += batch.num_rows
        writer.add_key_value_metadata({NOTE: note if isinstance(note, str) else note()})
    return count


def is_expression(rows: Rows) -> "TypeGuard[ibis.Table]":
    """Whether rows are still to be worked out."""
    import pyarrow as pa

    return not isinstance(rows, pa.Table | pa.RecordBatchReader)


def _batches(rows: Rows) -> "pa.RecordBatchReader":
    import pyarrow as pa

    if is_expression(rows):
        return executed(rows)
    return rows.to_reader(BATCH_ROWS) if isinstance(rows, pa.Table) else rows


def executed(table: "ibis.Table") -> "pa.RecordBatchReader":
    """The rows as they are worked out; ibis 12 asks DuckDB 2 for a method that is gone, so DuckDB is asked itself."""
    connection = engine()
    connection._run_pre_execute_hooks(table)
    return connection.con.sql(connection.compile(table)).to_arrow_reader(BATCH_ROWS)
