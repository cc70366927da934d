"""`python -m tests.chaos.dying_runs`: runs of the graph that die while an asset is stored, then whole ones.

It prints, as JSON, in which assets runs died, which files could not be read afterwards, and the digests of the dataset
that is compiled in the end, beside those of a graph that nobody disturbed.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
from sqlalchemy import make_url

from feedback_assets import lake
from feedback_assets.assets import learning
from feedback_assets.io_manager import ParquetIOManager
from feedback_ingest.postgres import Database
from feedback_loop.registry import dataset_shelf
from tests.assets.world import World

REFRESHED = (
    "feedback_events", "inferences", "context_answers", "validated_feedback", "quarantined_feedback",
    "attributed_feedback", "inference_rewards", "enriched_feedback", "feedback_metrics", "labeled_set", "drift_report",
)  # fmt: skip
RETRAINED = ("training_dataset", "candidate_model", "model_evaluation", "champion_model")
COMPILATION = "the files of a dataset"


def main(folder: Path, url: str, plant: str) -> None:
    """Dies in every asset, in the order of the graph, and ends well."""
    if plant == "in_place":
        lake.replacing = _in_place
    died, unreadable = [], set()
    for asset in (*REFRESHED, "", *RETRAINED, COMPILATION, ""):
        is_first = asset in REFRESHED or not died or died[-1] in REFRESHED and not asset
        died += [asset] * (
            _forked(lambda named=asset, first=is_first: _run(folder, url, first, named)) == signal.SIGKILL
        )
        unreadable |= {str(path.relative_to(folder)) for path in _unreadable(folder)}
    calm = folder.with_name("calm")
    calm.mkdir()
    for is_first in (True, False):
        _forked(lambda first=is_first: _run(calm, url, first, ""))
    told = {"died": died, "unreadable": sorted(unreadable), "made": _newest(folder), "calm": _newest(calm)}
    print(orjson.dumps(told).decode())


def _run(folder: Path, url: str, is_refresh: bool, asset: str) -> None:
    """One run, which dies in `asset`; to the end where there is none."""
    _doom(asset)
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(Database(make_url(url)), folder, instance)
        result = world.refresh() if is_refresh else world.retrain()
    assert result.success


def _doom(asset: str) -> None:
    """Has this process killed when half of the asset's file is written, or the dataset's files and not its fact."""
    storing: list[str] = []
    handle, write, compiled = ParquetIOManager.handle_output, lake._write, learning.compile_dataset

    def noticed(self: ParquetIOManager, context: dg.OutputContext, obj: Any) -> None:
        storing.append(context.asset_key.path[-1])
        handle(self, context, obj)

    def half(rows: Any, path: Path, note: Any) -> int:
        count = write(rows, path, note)
        if storing[-1:] == [asset]:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    def untold(*given: Any) -> Any:
        if asset == COMPILATION:
            learning_facts = sys.modules["feedback_assets.compiling"].facts
            learning_facts.append = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        return compiled(*given)

    ParquetIOManager.handle_output, lake._write, learning.compile_dataset = noticed, half, untold


def _forked(work: Callable[[], None]) -> int:
    """Does it in a fork; the signal that ended it, 0 where it ended well."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"a run failed in {pid}"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _unreadable(folder: Path) -> Iterator[Path]:
    """Files under names that readers look at, and which are no whole Parquet, or not what their manifest says."""
    import pyarrow.parquet as pq

    for path in (each for each in folder.rglob("*.parquet") if not any(part[0] == "." for part in each.parts)):
        try:
            pq.read_metadata(path)
        except Exception:  # noqa: BLE001 - whatever a reader meets
            yield path
    for manifest in folder.glob(f"datasets/[!.]*/{dataset_shelf.MANIFEST_FILE}"):
        if dataset_shelf.read(manifest.parents[1], manifest.parent.name).faults():
            yield manifest


def _newest(folder: Path) -> dict[str, str]:
    """The digests of the files of the newest dataset."""
    newest = sorted((folder / "datasets").glob("[!.]*"))[-1]
    return {each["path"]: each["sha256"] for each in dataset_shelf.read(newest.parent, newest.name).manifest["files"]}


@contextmanager
def _in_place(target: Path) -> Iterator[Path]:
    """The planted bug: a writer that writes where readers look."""
    target.parent.mkdir(parents=True, exist_ok=True)
    yield target


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
