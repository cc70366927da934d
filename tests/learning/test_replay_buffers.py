"""What single replay buffers promise beyond what all do."""

import numpy as np
import pytest

from feedback_loop.learning.replay_buffers import Arrivals, Limits, stratified_reservoir
from feedback_loop.learning.replay_buffers.fifo import Fifo
from feedback_loop.learning.replay_buffers.prioritised import FLOOR, Prioritised
from feedback_loop.learning.replay_buffers.stratified_reservoir import StratifiedReservoir
from feedback_loop.learning.replay_buffers.uniform import Uniform


def arrivals(count, strata=None, priorities=None, first=1):
    offsets = np.arange(first, first + count, dtype=np.int64)
    strata = np.array(strata or ["all"] * count, object)
    return Arrivals(offsets, strata, np.ones(count) if priorities is None else priorities, np.ones(count))


def test_fifo_gives_each_once_a_pass():
    """In the order of the log, and from the oldest again; what was overwritten before its turn is left out."""
    buffer = Fifo(Limits(capacity=5))
    buffer.extend(arrivals(7))

    assert buffer.draw(5).offsets.tolist() == [3, 4, 5, 6, 7]
    assert buffer.draw(3).offsets.tolist() == [3, 4, 5]
    buffer.extend(arrivals(4, first=8))
    assert buffer.draw(3).offsets.tolist() == [7, 8, 9]


def test_newest_are_kept():
    """The oldest makes room."""
    buffer = Uniform(Limits(capacity=5))

    buffer.extend(arrivals(7))
    buffer.extend(arrivals(1, first=8))

    assert buffer.kept().tolist() == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("capacity", [1, 2, 3, 1_000])
def test_priorities_are_followed_and_updated(capacity):
    """A draw is as likely as priority^alpha says, also after a learner said otherwise; what is gone is ignored."""
    priorities = np.arange(1.0, 1_001.0)
    buffer = Prioritised(Limits(capacity=capacity, alpha=1.0))
    buffer.extend(arrivals(1_000, priorities=priorities))
    newest = 1_000

    before = buffer.draw(4)
    buffer.update(np.array([newest, 5_000]), np.array([1e9, 1.0]))
    after = buffer.draw(4)

    expected = {o: (o + FLOOR) / (priorities[-capacity:] + FLOOR).sum() for o in before.offsets.tolist()}
    assert before.probabilities == pytest.approx([expected[o] for o in before.offsets.tolist()])
    assert set(after.offsets.tolist()) == {newest}
    assert after.probabilities == pytest.approx(1.0, abs=1e-3)


def test_what_came_back_counts_as_it_was_told_last():
    """After the ring has gone round a priority belongs to the arrival that stands there now."""
    buffer = Prioritised(Limits(capacity=4, alpha=1.0))
    buffer.extend(arrivals(4, priorities=np.array([0.0, 0.0, 0.0, 1e6])))
    buffer.update(np.array([1]), np.array([5.0]))

    buffer.extend(arrivals(4, first=5, priorities=np.array([0.0, 1e6, 0.0, 0.0])))

    assert set(buffer.draw(50).offsets.tolist()) == {6}


def test_a_reservoir_keeps_old_tasks():
    """A task that ended long ago keeps its share of the room, and the weights tell how little of all it was."""
    buffer = StratifiedReservoir(Limits(capacity=100))
    buffer.extend(arrivals(200, ["old"] * 200))

    buffer.extend(arrivals(9_800, ["new"] * 9_800, first=201))
    drawn = buffer.draw(1_000)

    is_old = drawn.offsets <= 200
    assert (buffer.kept() <= 200).sum() == 50
    assert is_old.mean() == 0.5
    assert (drawn.weights * is_old).mean() == pytest.approx(0.02)


def test_a_reservoir_of_a_reservoir_speaks_for_all():
    """What was drawn from a larger one says how much it stands for, so that a snapshot is as good as the log."""
    first, again = StratifiedReservoir(Limits(capacity=100)), StratifiedReservoir(Limits(capacity=100))
    first.extend(arrivals(1_000, ["a", "b", "b", "b"] * 250))
    names = {offset: "a" if offset % 4 == 1 else "b" for offset in range(1, 1_001)}

    offsets = first.kept()
    strata = np.array([names[offset] for offset in offsets.tolist()], object)
    again.extend(Arrivals(offsets, strata, np.ones(len(offsets)), first.speaks_for()))

    assert again.kept().tolist() == offsets.tolist()
    assert again.draw(64)[2].tolist() == first.draw(64)[2].tolist()


def test_strata_are_bounded(monkeypatch):
    """Names that people write do not end; beyond the bound they share one stratum."""
    monkeypatch.setattr(stratified_reservoir, "MOST_STRATA", 3)
    buffer = StratifiedReservoir(Limits(capacity=8))

    buffer.extend(arrivals(100, [f"name {n}" for n in range(100)]))

    assert len(buffer.kept()) == 5  # one each of three, and their share, two, of all others
