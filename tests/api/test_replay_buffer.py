"""POST /v1/replay-buffer/sample: drawn from the stored snapshot, for the key's own project, the same for a seed."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedback_loop.learning.transitions import COLUMNS
from feedback_loop.registry.replay_snapshots import FILE, NOTE
from tests.api.conftest import Client
from tests.api.test_python_reader import transport

from feedback_client import FeedbackReader  # isort: skip

PATH = "/v1/replay-buffer/sample"


def row(offset: int, project_id: int = 1, model_name: str = "walker") -> dict[str, Any]:
    told = {"log_offset": offset, "project_id": project_id, "model_name": model_name, "reward": float(offset % 2)}
    named = {"inference_request_id": f"r{offset}", "model_version": "walker-1", "episode": "e", "step": offset}
    follows = {"next_offset": offset + 1, "next_state": f'{{"cell":{offset + 1}}}'} if offset % 10 else {}
    kept = {"is_newest": True, "stands_for": 2.0 if offset % 2 else None, "priority": 1.0, "stratum": str(offset % 3)}
    known = {"state": f'{{"cell":{offset}}}', "action": '"left"', "is_last": offset % 10 == 0}
    return dict.fromkeys((*COLUMNS, "is_newest", "stands_for")) | told | named | follows | kept | known


@pytest.fixture
def store(client: Client) -> Iterator[Callable[..., None]]:
    """Stores rows as the graph does."""
    path = client.data_dir / "lake" / FILE

    def put(*rows: dict[str, Any], log_offset: int = 7) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(list(rows)).replace_schema_metadata({NOTE: str(log_offset)})
        pq.write_table(table, path.with_suffix(".new"), row_group_size=16)
        path.with_suffix(".new").replace(path)

    yield put
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("buffer", ["fifo", "uniform", "prioritised", "stratified_reservoir"])
def test_a_seed_draws_the_same(
    client: Client, make_key: Callable[..., str], store: Callable[..., None], buffer: str
) -> None:
    """Transitions with what followed, their weights and the snapshot's offset; again for the same seed."""
    store(*map(row, range(1, 101)))
    asked = {"model_name": "walker", "buffer": buffer, "count": 32, "seed": 3, "steps": 2, "gamma": 0.5}
    key = make_key("read")

    first, again = (client.post(PATH, key, asked).json() for _ in range(2))

    assert first == again and first["snapshot"] == {"log_offset": 7, "rows": 100}
    assert len(first["transitions"]) == 32
    for each in first["transitions"]:
        assert each["state"] == {"cell": each["offset"]} and each["action"] == "left"
        assert each["weight"] > 0 and 0 < each["probability"] <= 1
        if buffer != "stratified_reservoir":
            ends = each["offset"] % 10 in (0, 9)
            assert each["discount"] == (0.0 if ends else 0.25)
            assert each["return"] == each["reward"] + (0 if each["is_last"] else 0.5 * ((each["offset"] + 1) % 2))


def test_another_snapshot_takes_its_place(
    client: Client, make_key: Callable[..., str], store: Callable[..., None]
) -> None:
    """A file that was replaced is read anew."""
    key, asked = make_key("read"), {"model_name": "walker", "count": 4}
    store(row(1))
    client.post(PATH, key, asked)

    store(row(2), log_offset=9)
    found = client.post(PATH, key, asked).json()

    assert found["snapshot"] == {"log_offset": 9, "rows": 1}
    assert {each["offset"] for each in found["transitions"]} == {2}


def test_nobody_is_told_of_another_project(
    client: Client, make_key: Callable[..., str], store: Callable[..., None]
) -> None:
    """What another project's model of the same name did is not there, and before a snapshot nothing is."""
    key, asked = make_key("read"), {"model_name": "walker"}
    before = client.post(PATH, key, asked)

    store(row(1, project_id=2), row(2, model_name="other"))
    after = client.post(PATH, key, asked)

    assert (before.status_code, after.status_code) == (404, 404)
    assert "after each retraining" in after.json()["detail"]


@pytest.mark.parametrize(
    ("name", "value"), [("buffer", "lifo"), ("count", 0), ("steps", 101), ("gamma", 1.5), ("seed", -1), ("beta", 2)]
)
def test_what_makes_no_sense_is_refused(client: Client, make_key: Callable[..., str], name: str, value: Any) -> None:
    """With the field's name."""
    answer = client.post(PATH, make_key("read"), {"model_name": "walker", name: value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{name}"


def test_the_client_replays(client: Client, make_key: Callable[..., str], store: Callable[..., None]) -> None:
    """Batch after batch, each with the next seed."""
    store(*map(row, range(1, 101)))
    key = make_key("read")

    with FeedbackReader("http://app", key, transport=transport(client)) as reader:
        first, second = islice(reader.replayed("walker", count=8, seed=4, steps=3), 2)

    told = client.post(PATH, key, {"model_name": "walker", "count": 8, "seed": 5, "steps": 3}).json()["transitions"]
    assert [each.offset for each in second] == [each["offset"] for each in told]
    assert [each.offset for each in first] != [each.offset for each in second]
    assert first[0].state == {"cell": first[0].offset}
