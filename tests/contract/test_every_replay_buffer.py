"""What every replay buffer promises, whoever wrote it."""

import numpy as np
import pytest

from feedback_loop.learning.replay_buffers import Arrivals, Limits, collect
from feedback_loop.learning.replay_buffers._base import EmptyBuffer


def arrivals(first: int, count: int) -> Arrivals:
    """Uneven strata and priorities, told by the offset alone."""
    offsets = np.arange(first, first + count, dtype=np.int64) * 3
    strata = np.array(["rare" if offset % 10 == 0 else f"common {offset % 2}" for offset in offsets], object)
    return Arrivals(offsets, strata, (offsets % 7) / 7.0, np.ones(count))


def part(whole: Arrivals, start: int, end: int) -> Arrivals:
    return Arrivals(*(column[start:end] for column in whole))


@pytest.mark.parametrize("name", collect())
def test_it_is_bounded(name):
    """However much arrives, no more than the capacity is kept, and only what arrived is drawn."""
    buffer = collect()[name](Limits(capacity=100))

    buffer.extend(arrivals(1, 1_000))
    drawn = buffer.draw(64)

    assert 0 < len(buffer.kept()) <= 100
    assert set(drawn.offsets.tolist()) <= set(buffer.kept().tolist()) <= set(arrivals(1, 1_000).offsets.tolist())


@pytest.mark.parametrize("name", collect())
def test_portions_make_no_difference(name):
    """Rebuilt in one go from the log it is what it became little by little, and draws the same with the same seed."""
    whole = arrivals(1, 1_000)
    at_once, by_and_by = (collect()[name](Limits(capacity=100, seed=5)) for _ in range(2))

    at_once.extend(whole)
    for start, end in ((0, 1), (1, 90), (90, 350), (350, 1_000)):
        by_and_by.extend(part(whole, start, end))

    assert at_once.kept().tolist() == by_and_by.kept().tolist()
    assert at_once.draw(64).offsets.tolist() == by_and_by.draw(64).offsets.tolist()


@pytest.mark.parametrize("name", collect())
def test_weighted_means_are_honest(name):
    """The weighted mean of many draws is the mean over what the buffer speaks for, however unevenly it draws."""
    whole = arrivals(1, 800)
    buffer = collect()[name](Limits(capacity=800, seed=1))
    buffer.extend(whole)
    values = np.where(whole.strata == "rare", 10.0, whole.offsets % 7)
    value_of = dict(zip(whole.offsets.tolist(), values.tolist(), strict=True))

    draws = [buffer.draw(400) for _ in range(100)]

    drawn = np.array([value_of[offset] for draw in draws for offset in draw.offsets.tolist()])
    weights = np.concatenate([draw.weights for draw in draws])
    assert (weights * drawn).mean() == pytest.approx(values.mean(), rel=0.02)
    assert weights.mean() == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("name", collect())
def test_probabilities_are_true(name):
    """What is said to be drawn with a probability is drawn about so often."""
    buffer = collect()[name](Limits(capacity=60, seed=2))
    buffer.extend(arrivals(1, 60))

    draws = [buffer.draw(60) for _ in range(500)]

    said = {o: p for draw in draws for o, p in zip(draw.offsets.tolist(), draw.probabilities.tolist(), strict=True)}
    offsets = np.concatenate([draw.offsets for draw in draws])
    for offset, probability in said.items():
        assert (offsets == offset).mean() == pytest.approx(probability, rel=0.3, abs=5e-4)


@pytest.mark.parametrize("name", collect())
def test_nothing_is_drawn_from_nothing(name):
    """An empty buffer says so, with a code."""
    with pytest.raises(EmptyBuffer):
        collect()[name](Limits()).draw(1)
    assert collect()[name].__doc__
