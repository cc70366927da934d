"""Parquet files: replaced whole, by day or by table, and read as one table."""

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from feedback_assets.lake import Lake, NothingMaterialized, engine
from feedback_loop.learning.schemas import TIME
from tests.assets.world import DAY, NEXT_DAY

ROWS = pa.table({"log_offset": [1, 2, 3], "received_at": pa.array([DAY, NEXT_DAY, NEXT_DAY], TIME)})
KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
from feedback_assets.lake import Lake
def batches():
    yield pa.RecordBatch.from_pydict({"n": list(range(100_000))})
    os.kill(os.getpid(), signal.SIGKILL)
rows = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), batches())
Lake(Path(sys.argv[1])).write(rows, "t", "2026-03-01")
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path)


@pytest.mark.parametrize("kind", ["table", "reader", "ibis"])
def test_whatever_holds_rows_can_be_stored(lake: Lake, kind: str) -> None:
    """A pyarrow table, a reader of batches and an ibis table come back as the same rows."""
    rows = {"table": ROWS, "reader": ROWS.to_reader(), "ibis": ibis.memtable(ROWS)}[kind]

    assert lake.write(rows, "t", note="7") == 3

    assert lake.read("t").order_by("log_offset").to_pyarrow().to_pylist() == ROWS.to_pylist()
    assert lake.note("t") == "7"


def test_several_days_are_several_files(lake: Lake) -> None:
    """Each row goes to the file of the UTC day it was received; a day without rows is an empty file."""
    days = [str(DAY.date() + timedelta(days=n)) for n in range(3)]

    assert lake.write_days(ROWS, "t", days) == 3

    assert lake.days("t") == days
    assert [lake.read("t", [day]).count().to_pyarrow().as_py() for day in days] == [1, 2, 0]
    assert lake.read("t", [*days, "2026-12-31"]).count().to_pyarrow().as_py() == 3


def test_a_table_may_name_the_day_itself(lake: Lake) -> None:
    """Rows without a time of receipt carry the day in a column."""
    days = [DAY.date(), NEXT_DAY.date()]
    rows = pa.table({"n": [1, 2], "received_day": pa.array(days, pa.date32())})

    lake.write_days(rows, "t", [str(day) for day in days])

    assert lake.read("t", [str(date(2026, 3, 2))]).n.to_pyarrow().to_pylist() == [2]


def test_a_table_may_be_replaced_by_what_was_read_of_it(lake: Lake) -> None:
    """Reading goes on from the old file while the new one is written."""
    lake.write(ROWS, "t")

    lake.write(lake.read("t").filter(ibis._.log_offset > 1), "t")

    assert lake.read("t").count().to_pyarrow().as_py() == 2


def test_what_is_not_there_is_said(lake: Lake) -> None:
    """A table that nobody materialised is no empty table."""
    with pytest.raises(NothingMaterialized):
        lake.read("t")
    with pytest.raises(NothingMaterialized):
        lake.read("t", ["2026-03-01"])
    assert lake.note("t") == ""


def test_a_writer_that_fails_changes_nothing(lake: Lake) -> None:
    """The rows before stay, and nothing is left lying about."""

    def batches():
        yield from ROWS.to_batches()
        raise ZeroDivisionError

    lake.write(ROWS, "t")
    with pytest.raises(ZeroDivisionError):
        lake.write(pa.RecordBatchReader.from_batches(ROWS.schema, batches()), "t")

    assert [path.name for path in lake.folder.iterdir()] == ["t.parquet"]
    assert lake.read("t").count().to_pyarrow().as_py() == 3


def test_a_killed_writer_leaves_no_partial_day(lake: Lake) -> None:
    """After a kill -9 in the middle of writing the day is not there, and writing it again works."""
    program = subprocess.run([sys.executable, "-c", KILLED, str(lake.folder)], capture_output=True, timeout=60)

    assert program.returncode == -9, program.stderr
    assert lake.days("t") == []
    assert lake.write(ROWS, "t", "2026-03-01") == 3
    assert lake.days("t") == ["2026-03-01"]


def test_the_second_of_each_group_is_the_second() -> None:
    """Also where a subquery is read twice: DuckDB 2.0's own optimizer gives the first."""
    rows = ibis.memtable(pa.table({"of": [1, 1, 1, 2, 2], "n": [3, 4, 5, 6, 7]}))
    least = rows.group_by(["of", "n"]).agg(least=rows.n.min())
    placed = least.mutate(place=ibis.row_number().over(group_by="of", order_by="least"))
    second = placed.filter(placed.place == 1).select("of", "least")

    found = engine().to_pyarrow(ibis.union(second, second.mutate(of=second["of"] + 2)).order_by("of"))

    assert found.to_pydict() == {"of": [1, 2, 3, 4], "least": [4, 7, 4, 7]}
