"""What every sampling strategy promises, whoever wrote it."""

from datetime import UTC, datetime, timedelta
from functools import cache

import ibis
import numpy as np
import pyarrow as pa
import pytest

from feedback_assets.workbench import workbench
from feedback_loop.learning.sampling_strategies import collect
from feedback_loop.learning.sampling_strategies._base import WEIGHT

COUNT, WANTED, SEEDS = 2_000, 200, 12
UNBIASED = sorted(name for name, kind in collect().items() if kind.is_unbiased)


def population():
    """Candidates whose reward hangs on all that a strategy may look at, so that leaning anywhere shows."""
    chance = np.random.default_rng(0)
    label = chance.choice(["a", "b", "c"], COUNT, p=[0.8, 0.15, 0.05])
    confidence = chance.uniform(0.1, 1.0, COUNT)
    correct = chance.random(COUNT) < confidence
    age = np.arange(COUNT)
    reward = (label == "c") + (1 - confidence) + ~correct + age / COUNT + chance.normal(0, 0.1, COUNT)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    columns = {
        "example": pa.array(range(COUNT), pa.int64()),
        "last_offset": pa.array(range(1, COUNT + 1), pa.int64()),
        "name": pa.array([f"f{n}" for n in range(COUNT)]),
        "label": pa.array(label.tolist()),
        "model_version": pa.array([f"v{n % 3}" for n in range(COUNT)]),
        "source_kind": pa.array(["end_user"] * COUNT),
        "reward": pa.array(reward / 4),
        "correct": pa.array(correct.tolist()),
        "confidence": pa.array(confidence),
        "entropy": pa.array(1 - confidence),
        "margin": pa.array(confidence),
        "propensity": pa.array(confidence),
        "received_at": pa.array([start + timedelta(hours=n / 20) for n in range(COUNT)], pa.timestamp("us", "UTC")),
        "embedding": pa.array([[c, float(n % 7)] for n, c in enumerate(confidence)], pa.list_(pa.float64())),
    }
    return pa.table(columns)


@pytest.fixture(scope="module")
def candidates():
    """All of them."""
    return population()


def sampled(candidates, name, seed=0, rows=WANTED, options=None):
    """The sample as a table."""
    with workbench() as bench:
        table = collect()[name](options or {}).sampled(ibis.memtable(candidates), rows, seed, bench)
        return bench.reader(table.order_by("example")).read_all()


@pytest.mark.parametrize("name", collect())
def test_a_strategy_keeps_to_what_is_wanted(name, candidates):
    """No more rows than asked for, each once and with all it had, and a weight of one at least; the seed decides."""
    found = sampled(candidates, name)

    assert 0 < len(found) <= WANTED
    assert len(set(found["example"].to_pylist())) == len(found)
    assert set(found.column_names) == {*candidates.column_names, WEIGHT}
    assert min(found[WEIGHT].to_pylist()) >= 1.0
    assert collect()[name].__doc__ and ("iased" in (collect()[name].__doc__ or ""))
    assert found.equals(sampled(candidates, name))
    assert set(collect()[name].reads) <= set(candidates.column_names)


@pytest.mark.parametrize("name", UNBIASED)
def test_with_fewer_than_wanted_all_are_taken_for_what_they_are(name, candidates):
    """Where nothing must be left out, everybody stands for themselves."""
    found = sampled(candidates, name, rows=COUNT)

    assert len(found) == COUNT and set(found[WEIGHT].to_pylist()) == {1.0}


@cache
def samples(name):
    """Samples of many seeds, as weights and rewards."""
    found = (sampled(population(), name, seed) for seed in range(SEEDS))
    return [(np.array(each[WEIGHT]), np.array(each["reward"])) for each in found]


def estimates(name, is_weighted=True):
    """The total of the reward as samples of many seeds tell it, and its standard error."""
    found = samples(name)
    totals = [float(((weights if is_weighted else COUNT / len(told)) * told).sum()) for weights, told in found]
    return float(np.mean(totals)), float(np.std(totals, ddof=1) / np.sqrt(SEEDS))


@pytest.mark.parametrize("name", UNBIASED)
def test_weights_keep_estimates_honest(name, candidates):
    """Over many seeds the weighted total expects the total of all, within four standard errors."""
    truth = float(np.array(candidates["reward"]).sum())

    mean, error = estimates(name)

    assert abs(mean - truth) <= 4 * error + 1e-6 * truth, f"{mean} is not {truth} (± {error})"
    assert error < 0.03 * truth


@pytest.mark.parametrize("name", ["uncertainty", "hard_negative", "class_balance"])
def test_without_weights_a_leaning_sample_is_noticed(name, candidates):
    """The planted bug: the same estimate that forgets the weights is far off."""
    truth = float(np.array(candidates["reward"]).sum())

    mean, error = estimates(name, is_weighted=False)

    assert abs(mean - truth) > 4 * error


def test_a_balanced_sample_has_as_many_of_each(candidates):
    """Classes are equal as far as there are rows, and what a small one lacks goes to the others."""
    labels = sampled(candidates, "class_balance", rows=330)["label"].to_pylist()
    count = {name: labels.count(name) for name in "abc"}

    few = candidates["label"].to_pylist().count("c")
    assert count["c"] == min(few, 110) and count["a"] + count["b"] + count["c"] == 330
    assert abs(count["a"] - count["b"]) <= 1
