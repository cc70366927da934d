"""Sampled feedback: what a client left out on purpose is reckoned with, and nobody is surer for it than they may be."""

from decimal import Decimal
from random import Random

import pytest

from feedback_loop.learning.metrics import effective, interval, interval_of
from feedback_loop.learning.ratios import Point, Ratio, ratio
from feedback_loop.learning.sequential import Growth, evidence, grow
from tests.learning.worlds import NOON, Follower, answered, at, given

TRUTH = 0.8
RUNS = 300


def sampled(chance, size=400):
    """Thumbs of which every complaint is sent and one of ten praises: sums of weights, of good ones, of squares."""
    up = down = weights = Decimal(0)
    sent = 0
    for _ in range(size):
        is_good = chance.random() < TRUTH
        weight = Decimal(10) if is_good else Decimal(1)
        if chance.random() < 1 / weight:
            sent, up, down, weights = sent + 1, up + weight * is_good, down + weight, weights + weight * weight
    return up, down, weights, sent


def test_a_sampled_ratio_tends_to_the_truth_and_its_interval_holds_it():
    """In 95 of 100 streams or more; one that takes every weight for so many cases is right much less often."""
    chance = Random(7)
    streams = [sampled(chance) for _ in range(RUNS)]

    def held(interval_of_stream):
        return sum(low <= TRUTH <= high for low, high in map(interval_of_stream, streams)) / RUNS

    honest = held(lambda told: interval_of("wilson", told[0], told[1], weights=told[2]))
    naive = held(lambda told: interval(told[0], told[1]))
    unweighted = held(lambda told: interval(float(told[0]) / 10, told[3]))

    assert abs(sum(float(up / down) for up, down, _, _ in streams) / RUNS - TRUTH) < 0.02
    assert honest >= 0.94 and naive < 0.85 and unweighted == 0


@pytest.mark.parametrize("kind", ["poisson", "normal"])
def test_counts_and_means_of_a_sample_are_held_as_often(kind):
    """Of events sent one in five, at a known rate, or with numbers of a known mean."""
    chance = Random(11)
    held = 0
    for _ in range(RUNS):
        sent = [chance.gauss(3, 2) if kind == "normal" else 1.0 for _ in range(150) if chance.random() < 0.2]
        up, squares = sum(5 * each for each in sent), sum((5 * each) ** 2 for each in sent)
        cases = 150.0 if kind == "poisson" else 5.0 * len(sent)
        low, high = interval_of(kind, up, cases, squares, 25.0 * len(sent) if kind == "normal" else None)
        held += low <= (1.0 if kind == "poisson" else 3.0) <= high

    assert held / RUNS >= 0.92


def test_a_weighted_window_is_no_more_samples_than_were_sent():
    """Ten thumbs that weigh twenty are ten samples to a rule; a few heavy ones beside many light ones are fewer."""
    points = [Point(NOON, Decimal(100), Decimal(200), Decimal(4000))]
    mixed = Ratio(Decimal(90), Decimal(119), Decimal(100 + 19))

    assert ratio(points, NOON, NOON).samples == 10
    assert mixed.samples == 119
    assert mixed._replace(weights=Decimal(19 + 10 * 10 * 10)).samples == 13
    assert effective(Decimal(10**9), Decimal(10**9)) == 10**9


def test_what_a_client_sampled_is_weighed():
    """One of ten praises and both complaints: 10 of 12, worth what three say; beyond twenty nobody weighs more."""
    rows = [at(answered("a"), 1)]
    said = [(True, 0.1), (False, 1.0), (False, 1.0)]
    rows += [
        at(given("explicit_binary", {"positive": good}, f"f{n}", pass_probability=p), n + 2)
        for n, (good, p) in enumerate(said)
    ]

    live = Follower().follow(rows).segments()
    heavy = Follower().follow([*rows, at(given("explicit_binary", {"positive": True}, "f9", pass_probability=1e-6), 9)])

    assert live[1, "default", "v1", "satisfaction", "", NOON] == (10, 12, 0, 102)
    assert live[1, "default", "v1", "volume", "", NOON] == (12, 1, 102, 1)
    assert heavy.segments()[1, "default", "v1", "satisfaction", "", NOON] == (30, 32, 0, 502)


def test_sampling_raises_no_false_alarm():
    """A share that keeps its threshold is not told, however its samples weigh; bets by weight would tell of it."""
    chance = Random(3)
    alpha, told, greedy = 0.05, 0, 0
    for _ in range(RUNS):
        growth = reckless = Growth()
        fired = lost = False
        for _ in range(300):
            weight = chance.choice([1.0, 1.0, 8.0])
            good = weight * (chance.random() < TRUTH)
            growth = grow(growth, TRUTH, good, weight, weight)
            reckless = grow(reckless, TRUTH, good, weight)
            fired, lost = fired or evidence(growth) >= 1 / alpha, lost or evidence(reckless) >= 1 / alpha
        told, greedy = told + fired, greedy + lost

    assert told / RUNS <= alpha < greedy / RUNS
