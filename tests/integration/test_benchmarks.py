"""`make bench` measures: the figures of a very short run are all there, under the names they always have."""

from importlib import import_module

import pytest

from benchmarks import batch, ingest, loop, review, stream, validation
from benchmarks.__main__ import names
from benchmarks.corrections import FEWEST
from benchmarks.drifts import Reaction

OF_THE_GRAPH = Reaction._fields[Reaction._fields.index("signal_to_refresh_s") :]


@pytest.mark.chaos
def test_the_ingest_measurement_gives_every_figure() -> None:
    """One short round on real servers: every ratio is positive and every figure says its median, spread and rounds."""
    result = ingest.measure(rounds=1, seconds=0.3)

    figures = result.pop("figures")

    assert set(result) == {
        "single_vs_fastapi_noop", "single_vs_naive", "single_vs_no_log", "two_workers_vs_one", "batch_vs_copy",
        "grpc_vs_batch", "ack_p99_ms_at_1000", "cpu_s_per_1000_single", "rss_mib",
    }  # fmt: skip
    assert all(value > 0 for value in result.values())
    assert all(set(seen) == {"median", "spread", "rounds"} for seen in figures.values())


@pytest.mark.chaos
def test_the_stream_measurement_gives_every_figure() -> None:
    """One short round on real processes: every figure is positive and says its median, spread and rounds."""
    result = stream.measure(rounds=1, seconds=0.5, backlog=2_000, breaches=5, full_log=4_000)

    figures = result.pop("figures")

    assert set(result) == {
        "queue_p50_ms", "queue_p99_ms", "alert_p99_ms", "rollback_effective_ms", "catch_up_events_s",
        "full_log_vs_empty",
    }  # fmt: skip
    assert all(value > 0 for value in result.values())
    assert all(set(seen) == {"median", "spread", "rounds"} for seen in figures.values())


@pytest.mark.chaos
def test_the_review_measurement_gives_every_figure() -> None:
    """One short round of few reviewers: every figure is positive and says its median, spread and rounds."""
    result = review.measure(rounds=1, seconds=1, tasks=3_000, reviewers=5, flagged=5)

    figures = result.pop("figures")

    of_claims, soon = {"claim_p50_ms", "claim_p99_ms"}, {"flagged_to_claimable_p99_ms", "verdict_to_log_p99_ms"}
    assert set(result) == {*of_claims, "long_vs_short", *soon}
    assert all(value > 0 for value in result.values())
    assert all(set(seen) == {"median", "spread", "rounds"} for seen in figures.values())


@pytest.mark.chaos
@pytest.mark.slow
def test_the_batch_measurement_gives_every_figure() -> None:
    """One round over few rows: what is written by hand gives the same rows, and every figure is there."""
    result = batch.measure((20_000,), rounds=1, logged=4_000)

    figures = result.pop("figures")

    assert set(result) == {
        "meaning_vs_duckdb", "meaning_peak_gib", "compile_vs_duckdb", "compile_peak_gib", "ten_million_vs_linear",
        "export_vs_connectorx", "rebuild_vs_compile", "replay_sample_ms", "replay_update_ms",
    }  # fmt: skip
    assert all(value > 0 for value in result.values())
    assert all(set(seen) == {"median", "spread", "rounds"} for seen in figures.values())


@pytest.mark.chaos
def test_the_validation_measurement_gives_every_figure() -> None:
    """Of few rows: both find the same, every figure is positive and says its median, spread and rounds."""
    result = validation.measure(rows=4_000, rounds=1)

    figures = result.pop("figures")

    assert set(result) == {"gx_vs_hand", "peak_gib"}
    assert all(value > 0 for value in result.values())
    assert all(set(seen) == {"median", "spread", "rounds"} for seen in figures.values())


@pytest.mark.chaos
@pytest.mark.slow
def test_the_loop_measurement_gives_every_figure() -> None:
    """A few seconds of labels and one drift on two real systems: every figure is there, and parts make the whole."""
    result = loop.measure(seconds=5, drifts=1)

    figures = result.pop("figures")

    waits = {f"{what}_to_serving_{share}_s" for what in ("correction", "label") for share in ("p50", "p95")}
    parts = {"received_to_queue_s", "queue_to_champion_s", "champion_to_serving_s"}
    assert set(result) == {*waits, *parts, "corrections", "first_increment_s", *Reaction._fields}
    assert result["corrections"] >= FEWEST
    assert result["signal_to_training_s"] == pytest.approx(sum(result[name] for name in OF_THE_GRAPH), abs=0.05)
    assert all(set(seen) == {"median", "spread", "rounds"} for seen in figures.values())


def test_every_measurement_can_be_named() -> None:
    """Whatever the command offers as a measurement has a function `run`."""
    runs = [getattr(import_module(f"benchmarks.{name}"), "run", None) for name in names()]

    assert runs
    assert all(callable(run) for run in runs)
