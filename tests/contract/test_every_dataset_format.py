"""What every dataset format promises, whoever wrote it."""

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedback_assets.dataset_files import ExampleFiles
from feedback_ingest.feedback_types import collect as feedback_types
from feedback_loop.learning.dataset_formats import collect
from feedback_loop.learning.membership import OUTCOMES
from tests.learning.compiled import compiled, sources_of
from tests.learning.worlds import answered, at, given

PAIR = [
    {"output_id": "A", "content": {"text": "at nine"}, "item_id": "a", "propensity": 0.25, "rank": 1},
    {"output_id": "B", "content": {"text": "at ten"}, "item_id": "b", "rank": 2},
]
SAID = (
    ("preference_pair", {"preferred_output_id": "B", "strength": 0.5}),
    ("explicit_correction", {"corrected_text": "at eight"}),
    ("explicit_binary", {"positive": True}),
    ("explicit_rating", {"score": 2}),
    ("explicit_label", {"label": "early"}),
    ("ground_truth", {"label": "late"}),
    ("implicit_click", {"item_id": "a", "position": 0}),
    ("exposure", {"items": [{"item_id": "a", "position": 0}, {"item_id": "c", "position": 1}]}),
    ("reward", {"reward": 0.5}),
)


def world():
    """Three steps of an episode; each type of feedback speaks of each."""
    log = [at(answered("", f"r{n}", outputs=PAIR, inputs={"prompt": f"when, {n}?"}), n + 1) for n in range(3)]
    for kind, value in SAID:
        for n in range(3):
            more = {"inference_request_id": f"r{n}", "episode_id": "e", "step": n}
            log.append(at(given(kind, value, f"f{len(log)}", **more), len(log) + 1))
    return log


@pytest.fixture(scope="module")
def sources():
    """The world, as a compilation reads it."""
    return sources_of(world())


@pytest.mark.parametrize("name", collect())
def test_a_format_makes_its_columns_of_what_it_reads(name, sources):
    """One row at least an inference, with the columns and types of its schema, a weight and a digest each."""
    kind = collect()[name]

    found = compiled(sources, format=name)

    assert kind.__doc__ and set(kind.reads) <= set(feedback_types()) and set(kind.trust) <= set(kind.reads)
    assert {row["inference_offset"] for row in found.rows} == {1, 2, 3}
    for field in kind().schema():
        assert found.table.schema.field(field.name).type.equals(field.type) or pa.types.is_timestamp(field.type)
    assert all(row["weight"] == 1.0 and len(row["row_digest"]) == 64 for row in found.rows)
    assert set(found.outcomes.values()) <= set(OUTCOMES)
    assert set(found.outcomes) == {
        place for place, row in enumerate(world(), 1) if row.body.get("feedback_type") in kind.reads
    }


@pytest.mark.parametrize("name", collect())
def test_a_format_is_opened_without_code(name, sources, tmp_path):
    """pandas, DuckDB, Polars and datasets read the files, and see the same rows."""
    found = compiled(sources, format=name)
    files = ExampleFiles(tmp_path, collect()[name]().schema(), ("parquet", "jsonl"))
    files.write(found.table.to_batches())
    path = tmp_path / "train.parquet"
    columns = files.schema.names
    expected = [{column: row[column] for column in columns} for row in found.rows]

    assert pq.read_table(path).to_pylist() == expected
    assert list(pd.read_parquet(path).columns) == columns
    assert ibis.duckdb.connect().con.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(len(expected),)]
    assert len(pd.read_json(tmp_path / "train.jsonl", lines=True)) == len(expected)


@pytest.mark.parametrize("name", collect())
def test_datasets_and_polars_open_it(name, sources, tmp_path):
    """Where they are installed, the libraries that trainers use read it too."""
    loader = pytest.importorskip("datasets")
    polars = pytest.importorskip("polars")
    found = compiled(sources, format=name)
    ExampleFiles(tmp_path, collect()[name]().schema(), ("parquet",)).write(found.table.to_batches())
    path = str(tmp_path / "train.parquet")

    read = loader.load_dataset("parquet", data_files={"train": path}, cache_dir=str(tmp_path / "cache"))["train"]

    assert len(read) == len(polars.read_parquet(path)) == len(found.rows)
    assert set(read.column_names) == {*collect()[name]().schema().names, "weight"}
