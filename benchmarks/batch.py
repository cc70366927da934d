"""The graph's heavy work over many rows, against DuckDB by hand: meaning, datasets; files of a log; replay buffers.

Each case runs in a process of its own, so that its peak memory is its own, and does its work once on a few rows before
it is timed; ours and theirs take turns, have the same memory and threads, and must give the same rows. Of a dataset
these are its rows, the index with a digest of each, the outcome of every feedback, and the digest of all.
"""

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import made_up
from benchmarks.by_hand import query
from benchmarks.log_files import log_figures

SIZES, FULL = (30_000, 100_000, 300_000), (1_000_000, 3_000_000, 10_000_000)
FEW = 1_000
NEWEST = datetime(2026, 3, 6, tzinfo=UTC)
DAYS = [f"2026-03-0{day}" for day in range(1, 7)]
MEMORY_MB = 1_700
REPLAYED, DRAWN = 1_000_000, 256
TABLES = ("attributed", "enriched", "metrics")
Work = Callable[[], object]


class Seen(NamedTuple):
    """What one case took: seconds of wall time, and GiB at its peak."""

    wall_s: float
    peak_gib: float


Results = dict[str, list[list[Seen]]]
"""By case, then by size, then by round."""


def run(full: bool) -> dict[str, Any]:
    """All figures; `full` takes 1, 3 and 10 million feedback, each with half as many inferences."""
    return measure(FULL, 1, 200_000) if full else measure(SIZES, 1, 20_000)


def measure(sizes: tuple[int, ...], rounds: int, logged: int) -> dict[str, Any]:
    """Each case `rounds` times for the largest size, once for the others; and files of a log of `logged` events."""
    with tempfile.TemporaryDirectory() as name:
        files = log_figures(Path(name) / "log", logged, 3)
        made_up.write(Path(name) / str(FEW), FEW)
        seen: Results = {case: [[] for _ in sizes] for case in CASES}
        for place, size in enumerate(sizes):
            folder = Path(name) / str(size)
            made_up.write(folder, size)
            for case in list(CASES) * (rounds if size == sizes[-1] else 1):
                seen[case][place].append(_apart(case, folder))
            _refuse_differences(folder)
        return _summary(sizes, seen, {**files, **_replay_ms()})


def _summary(sizes: tuple[int, ...], seen: Results, others: dict[str, list[float]]) -> dict[str, Any]:
    def ratio(ours: str, theirs: str) -> float:
        pairs = zip(seen[ours][-1], seen[theirs][-1], strict=True)
        return round(statistics.median(a.wall_s / b.wall_s for a, b in pairs), 3)

    def growth(case: str) -> float:
        first, last = (statistics.median(each.wall_s for each in seen[case][place]) for place in (0, -1))
        return round(last / first / (sizes[-1] / sizes[0]), 3)

    def peak(case: str) -> float:
        return round(max(each.peak_gib for each in seen[case][-1]), 2)

    figures = dict(others)
    for case, by_size in seen.items():
        figures[f"{case}_peak_gib"] = [each.peak_gib for each in by_size[-1]]
        figures |= {f"{case}_{size}_s": [each.wall_s for each in of] for size, of in zip(sizes, by_size, strict=True)}
    return {
        "meaning_vs_duckdb": ratio("meaning", "meaning_by_hand"),
        "meaning_peak_gib": peak("meaning"),
        "compile_vs_duckdb": ratio("compile", "compile_by_hand"),
        "compile_peak_gib": peak("compile"),
        "ten_million_vs_linear": max(growth("meaning"), growth("compile")),
        **{name: round(statistics.median(values), 3) for name, values in others.items()},
        "figures": {
            name: {
                "median": round(statistics.median(values), 4),
                "spread": round(max(values) - min(values), 4),
                "rounds": len(values),
            }
            for name, values in figures.items()
        },
    }


def _apart(case: str, folder: Path) -> Seen:
    """Runs a case in a new process; raises RuntimeError where that fails."""
    os.environ.update(FEEDBACK_DATA_DIR=str(folder), FEEDBACK_LAKE_MEMORY_MB=str(MEMORY_MB))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_timed, args=(case, folder, theirs))
    process.start()
    theirs.close()
    try:
        found: Seen = ours.recv()
    except EOFError:
        raise RuntimeError(f"{case} over {folder.name} did not end well") from None
    process.join()
    return found


def _timed(case: str, folder: Path, told: Any) -> None:
    CASES[case](folder.parent / str(FEW))()
    work = CASES[case](folder)
    began = time.perf_counter()
    work()
    wall_s = time.perf_counter() - began
    told.send(Seen(wall_s, _peak_gib()))


def _peak_gib() -> float:
    """The process's own peak; what getrusage tells begins with that of the process which started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def _meaning(folder: Path) -> Work:
    """As the assets do: three tables, each read back for the next."""
    from feedback_assets.daily import attributed_days, metrics_days
    from feedback_assets.lake import Lake, engine
    from feedback_loop.learning.attribution import NO_WAITS
    from feedback_loop.learning.enrichers import enriched

    lake = Lake(folder / "ours")
    given, asked = (engine().read_parquet(str(folder / f"{name}.parquet")) for name in ("feedback", "inferences"))

    def work() -> None:
        lake.write(attributed_days(given, given, asked, 2**62, NO_WAITS, NEWEST), "attributed")
        lake.write(enriched(lake.read("attributed"), asked, given).order_by("log_offset"), "enriched")
        lake.write(metrics_days(lake.read("enriched"), given, asked, DAYS, 60), "metrics")

    return work


def _compile(folder: Path) -> Work:
    """A tenth of the feedback as balanced rows, with the outcome of every feedback and a digest of every row."""
    import ibis

    from feedback_assets.compiling import produce
    from feedback_assets.lake import Lake, engine
    from feedback_assets.resources import LogResource
    from feedback_loop.learning.enrichers import known
    from feedback_loop.learning.manifests import Origin
    from feedback_loop.learning.membership import Sources
    from feedback_loop.learning.recipes import Recipe, Sampling

    attributed = Lake(folder / "ours").read("attributed")
    asked = engine().read_parquet(str(folder / "inferences.parquet"))
    sources = Sources(attributed.mutate(outcome=ibis.null("string")), known(asked))
    recipe = Recipe(
        model_name="tickets", rows=int(folder.name) // 10, sampling=Sampling(strategy="class_balance"),
        weights=("pass_probability", "sampling"),
    )  # fmt: skip
    target = folder / "dataset"
    target.mkdir(exist_ok=True)
    return lambda: produce(LogResource(), sources, recipe, Origin(1, 0, {}, {}, "", {}, 0), "tickets-0001", target)


def _by_hand(*tables: str, folder: Path) -> Work:
    import duckdb
    import pyarrow as pa

    from feedback_loop.learning.texts import language_of

    def languages(texts: pa.ChunkedArray) -> pa.Array:
        return pa.array([language_of(text) for text in texts.to_pylist()], pa.string())

    connection = duckdb.connect()
    kinds: Any = {"type": "arrow", "null_handling": "special"}
    connection.create_function("language_of", languages, ["VARCHAR"], "VARCHAR", **kinds)
    connection.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY_MB}MB'")
    connection.execute(f"SET temp_directory = '{folder}/theirs'; SET enable_progress_bar = false")
    names = {name: f"hand_{name}.parquet" for name in TABLES}

    def work() -> None:
        for name in tables:
            sql = query(name, folder=folder, newest=NEWEST.isoformat(), rows=int(folder.name) // 10, **names)
            if name in TABLES:
                sql = f"COPY ({sql}) TO '{folder}/hand_{name}.parquet' (FORMAT parquet, COMPRESSION zstd)"
            connection.execute(sql).fetchall()

    return work


CASES: dict[str, Callable[[Path], Work]] = {
    "meaning": _meaning,
    "meaning_by_hand": lambda folder: _by_hand(*TABLES, folder=folder),
    "compile": _compile,
    "compile_by_hand": lambda folder: _by_hand("dataset", folder=folder),
}


def _refuse_differences(folder: Path) -> None:
    """Raises RuntimeError unless both ways gave the same rows."""
    import duckdb

    from feedback_loop.registry.dataset_shelf import INDEX_FILE

    connection = duckdb.connect()
    pairs = [(f"ours/{name}", f"hand_{name}") for name in TABLES]
    files = {"train": "dataset", INDEX_FILE.removesuffix(".parquet"): "index", "members": "members"}
    pairs += [(f"dataset/{ours}", f"hand_{theirs}") for ours, theirs in files.items()]
    for ours, theirs in pairs:
        told = connection.execute(f"DESCRIBE FROM '{folder}/{theirs}.parquet'").fetchall()
        digest = f"SELECT count(*), sum(hash({', '.join(row[0] for row in told)})::HUGEINT) FROM"
        found = [connection.execute(f"{digest} '{folder}/{name}.parquet'").fetchone() for name in (ours, theirs)]
        if found[0] != found[1]:
            raise RuntimeError(f"{ours} and {theirs} differ over {folder.name}: {found}")


def _replay_ms(rounds: int = 300) -> dict[str, list[float]]:
    """Milliseconds of each draw of DRAWN among REPLAYED by priority, and of each update of what was drawn."""
    import numpy as np

    from feedback_loop.learning.replay_buffers import Arrivals, Limits
    from feedback_loop.learning.replay_buffers.prioritised import Prioritised

    chance = np.random.default_rng(0)
    buffer = Prioritised(Limits(REPLAYED))
    columns = np.full(REPLAYED, "all", object), chance.random(REPLAYED), np.ones(REPLAYED)
    buffer.extend(Arrivals(np.arange(1, REPLAYED + 1, dtype=np.int64), *columns))
    found: dict[str, list[float]] = {"replay_sample_ms": [], "replay_update_ms": []}
    for _ in range(rounds):
        began = time.perf_counter()
        drawn = buffer.draw(DRAWN)
        taken = time.perf_counter()
        buffer.update(drawn.offsets, chance.random(DRAWN))
        found["replay_sample_ms"].append((taken - began) * 1000)
        found["replay_update_ms"].append((time.perf_counter() - taken) * 1000)
    return found
