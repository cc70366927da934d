"""The sequential test: it may be looked at after every batch, and finds a fall within the samples the docs say."""

import numpy as np

from feedback_loop.learning.sequential import Growth, evidence, grow

ALPHA = 0.05
FLOOR = 0.8
STREAMS = 1_000
Z = 1.645  # one-sided, 5 %


def _batches(random, shares, values=None):
    """Random batch sizes, and for each the good samples of every stream; `shares`: a sample's chance to be good."""
    sizes = random.integers(1, 60, size=len(shares))
    return [
        (int(size), random.binomial(size, share, STREAMS) if values is None else values(random, size, share))
        for size, share in zip(sizes, shares, strict=True)
    ]


def _found(batches):
    """For each stream the number of samples after which its evidence first passed 1/ALPHA; 0 where it never did."""
    found = np.zeros(STREAMS, int)
    for stream in range(STREAMS):
        growth = Growth()
        for size, good in batches:
            growth = grow(growth, FLOOR, float(good[stream]), size)
            if evidence(growth) >= 1 / ALPHA:
                found[stream] = growth.samples
                break
    return found


def _found_naively(batches):
    """The same by the usual test of a share, taken after every batch as if it were the only one."""
    found, samples, good = np.zeros(STREAMS, int), 0, np.zeros(STREAMS)
    for size, right in batches:
        samples, good = samples + size, good + right
        falls = good / samples < FLOOR - Z * np.sqrt(FLOOR * (1 - FLOOR) / samples)
        found = np.where((found == 0) & falls & (samples >= 30), samples, found)
    return found


def test_looking_often_raises_no_false_alarm():
    """On 1,000 streams whose share is just the threshold, looked at 150 times each, at most alpha raise an alarm."""
    batches = _batches(np.random.default_rng(1), [FLOOR] * 150)

    assert np.mean(_found(batches) > 0) <= ALPHA


def test_the_usual_test_would():
    """The planted bug: the same streams, looked at as often by a test that is meant for one look, raise many."""
    batches = _batches(np.random.default_rng(1), [FLOOR] * 150)

    assert np.mean(_found_naively(batches) > 0) > 4 * ALPHA


def test_ratings_between_0_and_1_raise_none_either():
    """Samples that are not only 0 or 1: a mean on the threshold, whatever the spread."""

    def ratings(random, size, share):
        return random.beta(4 * share, 4 * (1 - share), (STREAMS, size)).sum(axis=1)

    batches = _batches(np.random.default_rng(2), [FLOOR] * 100, ratings)

    assert np.mean(_found(batches) > 0) <= ALPHA


def test_a_fall_of_ten_points_is_found():
    """After 1,000 samples at .80, .70 is found within 600 more in 95 of 100 streams, in half within 300."""
    random = np.random.default_rng(3)
    before = [(50, random.binomial(50, FLOOR, STREAMS)) for _ in range(20)]
    after = [(10, random.binomial(10, FLOOR - 0.1, STREAMS)) for _ in range(120)]

    found = _found([*before, *after])

    late = np.where(found == 0, np.inf, found - 1_000)
    assert np.quantile(late, 0.95) <= 600
    assert np.median(late) <= 300


def test_a_good_time_before_does_not_drown_a_fall():
    """The same fall from .90, after ten times as long: what went before is no excuse."""
    random = np.random.default_rng(4)
    before = [(1_000, random.binomial(1_000, 0.9, STREAMS)) for _ in range(10)]
    after = [(20, random.binomial(20, FLOOR - 0.1, STREAMS)) for _ in range(80)]

    found = _found([*before, *after])

    late = np.where(found == 0, np.inf, found - 10_000)
    assert np.quantile(late, 0.95) <= 900


def test_how_samples_are_cut_matters_little():
    """A batch or its halves: the evidence grows alike, and what says nothing changes nothing."""
    whole, halves = grow(Growth(), FLOOR, 60.0, 100), grow(grow(Growth(), FLOOR, 30.0, 50), FLOOR, 30.0, 50)

    assert 0.5 < evidence(whole) / evidence(halves) < 2
    assert grow(whole, FLOOR, 0.0, 0) == whole
    assert evidence(Growth()) == 1
