"""Datasets and time: made again to the byte whatever came later, checked to the bit, their differences explained."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlmodel import Session
from typer.testing import CliRunner

from feedback_assets import rebuilding
from feedback_assets.compiling import compile_dataset
from feedback_assets.dataset_sources import of_log
from feedback_assets.rebuilding import NotReproduced, rebuild
from feedback_cli.main import build
from feedback_ingest import log as event_log
from feedback_ingest.errors import NotFound
from feedback_ingest.log import Fact
from feedback_ingest.settings import get_settings
from feedback_loop.learning.manifests import digest_of
from feedback_loop.learning.recipes import recipe_of
from feedback_loop.registry.dataset_diff import differences
from feedback_loop.registry.dataset_shelf import Dataset, DatasetDamaged
from feedback_loop.registry.lineage import dataset_of
from tests.assets.world import DAY, World
from tests.stream.sources import configured, identity

ELSEWHERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "77"}


def compiled(world: World, **recipe: Any) -> Dataset:
    """A dataset of what the log holds now."""
    wanted = recipe_of({"model_name": "digits", "golden_share": 0.2, **recipe}, 0.2)
    with of_log(world.log, world.head(), world.data_dir) as sources:
        return compile_dataset(world.log, sources, wanted, 1, world.head())


def bytes_of(dataset: Dataset) -> dict[str, bytes]:
    """Every file of a dataset."""
    return {path.name: path.read_bytes() for path in sorted(dataset.folder.iterdir())}


def forget_derived(world: World) -> None:
    """Empties every table that the stream keeps."""
    with Session(world.database.engine) as session:
        wanted = text("SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables WHERE tablename LIKE 'live\\_%'")
        session.execute(text(f"TRUNCATE {session.execute(wanted).scalar_one()}"))
        session.commit()


def much_later(world: World, ids: list[str]) -> None:
    """Ten thousand more events: new answers and labels, corrections of old ones, and retractions."""
    rows = []
    for n in range(4_000):
        answer = {"model_name": "digits", "model_version": "digits-0001", "inputs": {"x": n},
                  "outputs": [{"output_id": "A", "content": {"label": "1"}}]}  # fmt: skip
        rows.append(Fact(1, "inference", f"later-{n}", {"inference_request_id": f"later-{n}", **answer}, DAY))
        rows.append(Fact(1, "feedback", *world.feedback(f"later-{n}"), DAY))
    for n in range(1_000):
        about, value = f"live-digits-0001-0-{n % 120}", {"corrected_label": str(n % 3)}
        rows.append(Fact(1, "feedback", *world.feedback(about, "explicit_correction", value=value), DAY))
        retracts = {"retracts": ids[n % len(ids)]}
        more = {"value": retracts, "source": {"kind": "system"}}
        rows.append(Fact(1, "feedback", *world.feedback(about, "retraction", **more), DAY))
    assert len(rows) == 10_000
    with Session(world.database.engine) as session:
        for start in range(0, len(rows), 1_000):
            event_log.append(session, rows[start : start + 1_000], DAY, world.pepper)
        session.commit()


def rebuilt_elsewhere(world: World, version: str) -> subprocess.CompletedProcess[str]:
    """By the command, in another zone, language and hash seed, and beside a service that nobody is to ask."""
    settings = {"FEEDBACK_DATA_DIR": str(world.data_dir), "FEEDBACK_DATABASE_URL": world.database.url}
    with identity({"p_one": {"plan": "another"}}, version="2") as service:
        asked = {"identity": {"kind": "identity_service", "url": service.url}}
        other = configured(world.log.settings, world.data_dir, asked)
        settings |= {"FEEDBACK_SOURCES_FILE": str(other.sources_file), "FEEDBACK_SOURCES_ALLOW": "127.0.0.0/8"}
        said = subprocess.run(
            [sys.executable, "-m", "feedback_cli", "dataset", "rebuild", version, "--json"],
            env={**os.environ, **settings, **ELSEWHERE}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert service.arrivals == [], "what it says now is asked by nobody"
    return said


@pytest.mark.chaos
def test_a_dataset_is_made_again_whatever_came_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten thousand events, with every table and file gone and an identity service that answers otherwise, on a
    machine of another zone, language and hash seed: the bytes are the same, those of the graph's own dataset too. A
    rebuild that forgets the offset is found out.
    """
    world.live(120, right=0.6)
    said_then = {"user_ref": "p_one", "segments": {"plan": "pro"}}
    world.answered("identity", "p_one", said_then)
    world.refresh(only="labeled_set")
    assert world.job("dataset").execute_in_process(instance=world.instance).success
    made = compiled(world, sampling={"strategy": "class_balance"}, rows=40, split={"by": "user"}, jsonl=True)
    graph = Dataset("digits-0002", world.data_dir / "datasets" / "digits-0002", {})
    before = [bytes_of(dataset) for dataset in (graph, made)]
    much_later(world, [row.id for row in world.facts("feedback")])
    for folder in ("lake", "datasets"):
        shutil.rmtree(world.data_dir / folder)
    forget_derived(world)

    again = rebuild(world.log, 1, "digits-0002")
    said = rebuilt_elsewhere(world, made.version)

    assert said.returncode == 0, said.stderr
    assert orjson.loads(said.stdout)["row_digest"] == made.manifest["row_digest"]
    assert [bytes_of(dataset) for dataset in (graph, made)] == before
    assert again.rows > 60

    @contextmanager
    def forgetful(log: Any, log_offset: int, scratch: Path) -> Iterator[Any]:
        with of_log(log, world.head(), scratch) as sources:
            yield sources

    monkeypatch.setattr(rebuilding, "of_log", forgetful)
    with pytest.raises(NotReproduced, match=r"train\.parquet is another one"):
        rebuild(world.log, 1, "digits-0002")
    assert bytes_of(graph) == before[0], "what stood there still stands"


def test_a_flipped_bit_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every file, by the command: it is named, the exit code is 1, nobody reads it, and a rebuild mends it."""
    for name, value in (("DATA_DIR", world.data_dir), ("DATABASE_URL", world.database.url)):
        monkeypatch.setenv(f"FEEDBACK_{name}", str(value))
    get_settings.cache_clear()
    world.live(40, right=0.6)
    made = compiled(world)
    assert verified(made) == (0, f"{made.version} is as it was compiled")

    for file in made.manifest["files"]:
        path = made.folder / file["path"]
        whole = path.read_bytes()
        path.write_bytes(flipped(whole, len(whole) - 20))
        assert verified(made) == (1, f"{file['path']} does not have the SHA-256 of its manifest")
        path.write_bytes(whole if path.name != "train.parquet" else path.read_bytes())
    with pytest.raises(DatasetDamaged):
        made.rows()
    rebuild(world.log, 1, made.version)

    assert verified(made)[0] == 0
    with pytest.raises(NotFound):
        rebuild(world.log, 1, "digits-9999")


def test_a_flipped_bit_of_a_manifest_is_found(world: World) -> None:
    """Wherever in it, by its own digest or by the log; a manifest that was made to fit other rows is, too."""
    world.live(40, right=0.6)
    made = compiled(world)
    path = made.folder / "manifest.json"
    whole = path.read_bytes()
    for place in range(3, len(whole), len(whole) // 60):
        path.write_bytes(flipped(whole, place))
        assert found_wrong(world, made.version), whole[place - 20 : place + 20]
    forged = {**made.manifest, "rows": made.manifest["rows"] + 1}
    path.write_bytes(orjson.dumps({**forged, "digest": digest_of(forged)}))
    assert found_wrong(world, made.version) == ["manifest.json says otherwise than the log of rows"]

    rebuild(world.log, 1, made.version)

    assert path.read_bytes() == whole
    assert found_wrong(world, made.version) == []


def flipped(whole: bytes, place: int) -> bytes:
    """With one bit another one."""
    return whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


def verified(dataset: Dataset) -> tuple[int, str]:
    """What `feedback dataset verify` says of it, and its exit code."""
    said = CliRunner().invoke(build(), ["dataset", "verify", dataset.version])
    return said.exit_code, said.output.strip()


def found_wrong(world: World, version: str) -> list[str]:
    """The faults of a dataset, or the one that it cannot be read."""
    with Session(world.database.engine) as session:
        try:
            return dataset_of(session, world.data_dir, 1, version).faults()
        except DatasetDamaged as error:
            return [error.detail]


def test_each_difference_is_told_with_its_event(world: World) -> None:
    """Added, removed and relabelled rows, and the offset of the fact that brought each about."""
    for n in range(6):
        world.infer(f"r{n}", str(n % 3), inputs={"x": n})
    said = [world.say(f"r{n}", "explicit_label", value={"label": "0"}) for n in range(5)]
    before = compiled(world, golden_share=0.2)
    kept = {row["inference_request_id"]: row for row in before.rows().to_pylist()}
    names = sorted(kept)
    gone, other = names[0], names[1]
    world.say(gone, "retraction", value={"retracts": said[int(gone[1])]})
    retraction = world.head()
    world.say(other, "ground_truth", value={"label": "2"})
    truth = world.head()
    after = compiled(world)

    with Session(world.database.engine) as session:
        told = {each["inference_offset"]: each for each in differences(session, before, after)}
        back = {each["inference_offset"]: each["change"] for each in differences(session, after, before)}
        same = differences(session, after, after)

    removed, relabelled = (told[kept[name]["inference_offset"]] for name in (gone, other))
    assert (removed["change"], removed["outcome_after"], removed["event"]) == ("removed", "undone", retraction)
    assert (relabelled["change"], relabelled["event"]) == ("relabelled", truth)
    assert len(told) == 2 and same == []
    assert sorted(back.values()) == ["added", "relabelled"]


def test_a_version_appends_to_another(world: World) -> None:
    """What was there stays, row by row; what came later follows; and it is made again with its base."""
    world.live(40, right=0.6)
    base = compiled(world)
    world.live(40, right=0.6, seed=1)
    made = compiled(world, appends_to=base.version)

    old, new = base.rows().to_pylist(), made.rows().to_pylist()
    assert new[: len(old)] == old and len(new) > len(old)
    assert {row["inference_request_id"].split("-")[3] for row in new[len(old) :]} == {"1"}
    assert made.manifest["outcomes"]["kept"] == len(new)
    before = bytes_of(made)
    shutil.rmtree(world.data_dir / "datasets")
    rebuild(world.log, 1, made.version)
    assert bytes_of(made) == before
