"""Inputs that stand elsewhere: read when a dataset is compiled, told in its manifest, left out by name."""

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ibis
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedback_assets import facts
from feedback_assets.champions_drift import reports
from feedback_assets.reference_readers import ReferencesAway
from feedback_assets.reference_readers.file import FileReader
from feedback_assets.reference_readers.s3 import S3Reader
from feedback_assets.references import inputs_behind, with_read_inputs
from feedback_ingest.log import LogRow
from feedback_ingest.settings import Settings, get_settings
from feedback_loop.learning.references import ReferenceUnusable
from feedback_loop.learning.rows import inference_row
from feedback_loop.learning.schemas import INFERENCE_SCHEMA, LABELED_SCHEMA
from tests.assets.world import CLASSES, DAY, World


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder that references may name."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    monkeypatch.setenv("FEEDBACK_REF_ROOTS", str(folder))
    get_settings.cache_clear()
    return folder


def pixels(label: str) -> bytes:
    """An object that tells its label."""
    return orjson.dumps({"pixels": [4.0 if label == each else 0.0 for each in CLASSES]})


def asked(world: World, folder: Path, count: int) -> None:
    """`count` inferences that hold only a reference, each answered wrong and labelled."""
    for number in range(count):
        label = CLASSES[number % 3]
        (folder / f"{number}.json").write_bytes(pixels(label))
        world.infer(f"r{number}", "0", inputs=None, inputs_ref=f"file://{folder}/{number}.json")
        world.say(f"r{number}", value={"label": label}, source={"kind": "system"})


def row(reference: str, offset: int = 1) -> dict[str, Any]:
    """A labelled row that holds a reference."""
    return {"inference_offset": offset, "inputs": None, "inputs_ref": reference}


def compiled(world: World, version: str) -> tuple[list[dict[str, Any]], dict[str, Any], bytes]:
    """Rows, manifest and bytes of a dataset."""
    folder = world.data_dir / "datasets" / version
    file = folder / "train.parquet"
    return pq.read_table(file).to_pylist(), orjson.loads((folder / "manifest.json").read_bytes()), file.read_bytes()


def test_a_model_learns_from_inputs_that_stand_elsewhere(world: World, inputs: Path) -> None:
    """With nothing but references a candidate is trained, judged and promoted; what was read is in the manifest."""
    asked(world, inputs, 200)
    world.refresh(only="labeled_set")

    result = world.retrain()

    assert result.success
    rows, manifest, _ = compiled(world, "digits-0002")
    read = {each["inference_request_id"]: each for each in rows}
    for name, each in read.items():
        content = (inputs / f"{name.removeprefix('r')}.json").read_bytes()
        assert orjson.loads(each["inputs"]) == orjson.loads(content)
        assert each["inputs_sha256"] == hashlib.sha256(content).hexdigest()
    lines = "".join(f"{each['inference_offset']},{each['inputs_sha256']}\n" for each in rows)
    assert manifest["references"] == {
        "rows": len(rows), "digest": hashlib.sha256(lines.encode()).hexdigest(), "excluded": {}, "first_excluded": [],
    }  # fmt: skip
    [promoted] = world.facts(facts.MODEL_PROMOTED)
    assert promoted.body["evaluation"]["accuracy"] > 0.9, "the golden rows were read as well"


def test_what_is_missing_or_has_changed_is_left_out_by_name(world: World, inputs: Path) -> None:
    """The dataset without them is compiled, says which and why, and is the same again while the objects are."""
    asked(world, inputs, 60)
    world.refresh(only="labeled_set")
    world.retrain()
    before, _, first = compiled(world, "digits-0002")
    gone, changed = before[0], before[1]

    world.retrain()
    assert compiled(world, "digits-0003")[2] == first, "equal objects, equal bytes"
    Path(gone["inputs_ref"].removeprefix("file://")).unlink()
    Path(changed["inputs_ref"].removeprefix("file://")).write_bytes(b'{"pixels": [9.0]}')
    result = world.retrain()

    rows, manifest, _ = compiled(world, "digits-0004")
    assert result.success
    assert manifest["references"]["excluded"] == {"changed": 1, "missing": 1}
    assert manifest["references"]["first_excluded"] == [
        {"inference_offset": gone["inference_offset"], "reason": "missing"},
        {"inference_offset": changed["inference_offset"], "reason": "changed"},
    ]
    assert [each["inference_offset"] for each in rows] == [each["inference_offset"] for each in before[2:]]
    [shown] = [event.metadata for event in result.asset_materializations_for_node("training_dataset")]
    assert "changed" in str(shown["left out"].value)


def test_each_unusable_reference_is_named(world: World, inputs: Path) -> None:
    """Not allowed, not there, too large, not what it says: one reason each, and the good neighbour is read."""
    (inputs / "good.json").write_bytes(b"[1, 2]")
    (inputs / "said.txt").write_bytes("größer".encode())
    (inputs / "bad.json").write_bytes(b"{")
    (inputs / "big.json").write_bytes(b" " * 1_048_577)
    digest = hashlib.sha256(b"[1, 2]").hexdigest()
    good = f"file://{inputs}/good.json"
    references = {
        good: None,
        f"{good}#sha256={digest}": None,
        f"file://localhost{inputs}/said.txt": None,
        f"{good}#sha256={'0' * 64}": "changed",
        f"file://{inputs}/none.json": "missing",
        f"file://{inputs}/bad.json": "no-content",
        f"file://{inputs}/big.json": "too-large",
        f"file://{inputs}": "not-allowed",
        "file:///etc/passwd": "not-allowed",
        "ftp://somewhere/a.json": "no-such-scheme",
        "a.json": "no-such-scheme",
    }

    rows, excluded = with_read_inputs(world.log, 1, [row(each, place) for place, each in enumerate(references)])

    assert [each["inputs"] for each in rows] == ["[1,2]", "[1,2]", '"größer"']
    assert [each.reason for each in excluded] == [reason for reason in references.values() if reason]
    assert len(world.facts(facts.REFERENCE_READ)) == 3


def reason_of(reader: Any, address: str) -> str:
    """Why an address is not read."""
    with pytest.raises(ReferenceUnusable) as refused:
        reader.read(address, 100)
    return str(refused.value.reason)


def test_no_link_and_no_way_up_leads_out_of_the_root(tmp_path: Path) -> None:
    """Dots, encoded dots, links to files and folders, devices and pipes below the root: nothing is read."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "secret.json").write_bytes(b"1")
    (root / "link.json").symlink_to(outside / "secret.json")
    (root / "folder").symlink_to(outside)
    os.mkfifo(root / "pipe.json")
    reader = FileReader(Settings(ref_roots=str(root)), "default")

    for address in ("../outside/secret.json", "%2e%2e/outside/secret.json", "link.json", "folder/secret.json",
                    "pipe.json", "./link.json", "a%2f..%2f..%2foutside%2fsecret.json", "link.json%00"):  # fmt: skip
        assert reason_of(reader, f"{root}/{address}") == "not-allowed", address
    assert reason_of(reader, f"{tmp_path}/root-2/a.json") == "not-allowed"
    assert reason_of(reader, f"evil.example{root}/link.json") == "not-allowed"


def test_a_root_that_is_away_is_not_a_missing_object(tmp_path: Path) -> None:
    """An unmounted folder must not empty a dataset: the run fails and is tried again."""
    reader = FileReader(Settings(ref_roots=f"{tmp_path}/unmounted"), "default")

    with pytest.raises(ReferencesAway):
        reader.read(f"{tmp_path}/unmounted/a.json", 100)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of an S3 on this machine with a bucket `inputs`."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    boto3 = pytest.importorskip("boto3")
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    known = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **known)
    for bucket in ("inputs", "secrets"):
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="a/ä #1?.json", Body=b'{"x": 1}')
    client.put_object(Bucket="inputs", Key="a/big.json", Body=b" " * 101)
    yield url
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the AWS tools look for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.usefixtures("credentials")
def test_objects_of_s3_are_read_from_listed_buckets_only(s3: str) -> None:
    """The key as it is; another bucket, another prefix, a way up, no object, too large: each by name."""
    settings = Settings(ref_buckets="inputs/a, other", ref_s3_endpoint=s3, ref_s3_region="us-east-1")
    reader = S3Reader(settings, "default")

    assert reader.read("inputs/a/ä #1?.json", 100) == b'{"x": 1}'
    assert reason_of(reader, "secrets/a/ä #1?.json") == "not-allowed"
    assert reason_of(reader, "inputs/a/../../secrets/a/ä #1?.json") == "not-allowed"
    assert reason_of(reader, "inputs/b.json") == "not-allowed"
    assert reason_of(reader, "inputs/a/none.json") == "missing"
    assert reason_of(reader, "inputs/a/big.json") == "too-large"


@pytest.mark.usefixtures("credentials")
def test_an_s3_that_is_away_is_not_a_missing_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers: the run fails and is tried again."""
    monkeypatch.setattr("feedback_assets.reference_readers.s3.ATTEMPTS", 1)
    settings = Settings(ref_buckets="inputs", ref_s3_endpoint="http://127.0.0.1:1", ref_s3_region="us-east-1")

    with pytest.raises(ReferencesAway):
        S3Reader(settings, "default").read("inputs/a.json", 100)


def put_file(folder: Path, s3: str, name: str, content: bytes) -> str:
    """The reference to a new file."""
    (folder / name).write_bytes(content)
    return f"file://{folder}/{name}"


def put_object(folder: Path, s3: str, name: str, content: bytes) -> str:
    """The reference to a new object of S3."""
    boto3 = pytest.importorskip("boto3")
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    client.put_object(Bucket="inputs", Key=name, Body=content)
    return f"s3://inputs/{name}"


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("put", [put_file, put_object])
def test_embeddings_that_stand_elsewhere_are_looked_at_for_drift(
    world: World, inputs: Path, s3: str, monkeypatch: pytest.MonkeyPatch, put: Callable[..., str]
) -> None:
    """By the readers and under the rules of inputs, where nothing else is logged; one that is gone is left out."""
    for name, value in {"BUCKETS": "inputs", "S3_ENDPOINT": s3, "S3_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"FEEDBACK_REF_{name}", value)
    get_settings.cache_clear()
    chance, rows = random.Random(0), []
    for n in range(120):
        vector = [chance.gauss(3 if n >= 60 else 0, 1) for _ in range(4)]
        reference = put(inputs, s3, f"{n}.json", orjson.dumps(vector)) if n != 7 else f"file://{inputs}/gone.json"
        asked = {"model_name": "m", "model_version": "1", "outputs": [], "embedding_ref": reference}
        rows.append(inference_row(LogRow(n + 1, 1, "inference", f"i{n}", DAY, DAY, asked)))
    inferences = ibis.memtable(pa.Table.from_pylist(rows, INFERENCE_SCHEMA))
    labeled = ibis.memtable(LABELED_SCHEMA.empty_table())

    [found] = reports(
        labeled, inferences, [], 200, Settings(drift_inferences=60), partial(inputs_behind, world.log)
    ).to_pylist()

    told = {each["detector"]: each["is_drift"] for each in orjson.loads(found["findings"])}
    assert told["embedding_shift"]
    assert len(world.facts(facts.REFERENCE_READ)) == 119
