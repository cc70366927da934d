"""The feedback lake: files are added and never changed, in a folder or on S3, and DuckDB reads them by their names."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from feedback_assets import shared_lake
from feedback_assets.lake import engine
from feedback_ingest.settings import Settings
from tests.assets.test_references import credentials, s3
from tests.assets.world import DAY, World

__all__ = ["credentials", "s3"]


def test_each_refresh_adds_what_came(world: World) -> None:
    """Two refreshes, one file each; nothing that stood there is touched, and every feedback is there once."""
    world.live(20, right=0.6)
    world.refresh(only="feedback_lake")
    root = world.data_dir / "feedback_lake"
    first = {path: path.read_bytes() for path in root.rglob("*.parquet")}
    world.live(5, right=0.6, seed=1)
    world.live(5, right=0.6, seed=2, start=DAY + timedelta(days=1))
    world.refresh(last=DAY + timedelta(days=1), only="feedback_lake")
    world.refresh(last=DAY + timedelta(days=1), only="feedback_lake")

    after = list(root.rglob("*.parquet"))
    assert len(first) == 1 and len(after) == 3
    assert all(path.read_bytes() == content for path, content in first.items())
    read = f"SELECT received_day, count(DISTINCT log_offset), count(*) FROM read_parquet('{root}/**/*.parquet', hive_partitioning = true) WHERE project_id = 1 GROUP BY 1 ORDER BY 1"  # noqa: E501
    found = duckdb.connect().execute(read).fetchall()
    assert [(str(day), distinct, rows) for day, distinct, rows in found] == [
        ("2026-03-01", 25, 25),
        ("2026-03-02", 5, 5),
    ]


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Any]:
    """Feedback of one day, as the graph has it."""
    import pyarrow as pa

    from feedback_loop.learning.rows import feedback_row
    from feedback_loop.learning.schemas import FEEDBACK_SCHEMA
    from tests.learning.worlds import at, given

    rows = [feedback_row(at(given("explicit_binary", {"positive": True}, f"f{n}"), n)) for n in range(1, 11)]
    path = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist(rows, FEEDBACK_SCHEMA), path)
    yield engine().read_parquet(str(path))


@pytest.mark.usefixtures("credentials")
def test_the_lake_may_be_on_s3(s3: str, events: Any) -> None:
    """The same files as objects; what is there already is not written again."""
    import boto3

    boto3.client("s3", endpoint_url=s3, region_name="us-east-1").create_bucket(Bucket="lake")
    settings = Settings(lake_url="s3://lake/feedback", ref_s3_endpoint=s3, ref_s3_region="us-east-1")

    added = [shared_lake.add(settings, events, ["2026-03-01"], upto).num_rows for upto in (4, 10, 10)]

    store = fs.S3FileSystem(endpoint_override=s3.removeprefix("http://"), scheme="http", region="us-east-1")
    table = pq.read_table("lake/feedback", filesystem=store, partitioning="hive")
    assert added == [1, 1, 0]
    assert sorted(table["log_offset"].to_pylist()) == list(range(1, 11))
    assert set(table["project_id"].to_pylist()) == {1}
