"""Replaying: snapshots, n-step returns, and that learners gain from both."""

import random

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute
import pytest
from sklearn.datasets import load_digits

from feedback_loop.learning.errors import TooLittleToLearn
from feedback_loop.learning.rehearsal import Task, forgetting
from feedback_loop.learning.replay_buffers import Limits, collect
from feedback_loop.learning.replaying import Memory, kept
from feedback_loop.learning.value_learning import Learning, learn

NEXT = {"left": -1, "right": 1}


def walk(episodes: int, seed: int) -> pa.Table:
    """A corridor of six cells, walked at random; the last pays 1, each step costs a little. One row a step."""
    chance, rows, offset = random.Random(seed), [], 0
    for episode in range(episodes):
        cell, mine = chance.randrange(5), []
        while cell != 5 and len(mine) < 12:
            action = chance.choice(list(NEXT))
            to = max(cell + NEXT[action], 0)
            offset += 1
            told = {"log_offset": offset, "state": orjson.dumps({"cell": f"c{cell}"}).decode(), "action": action}
            mine.append(told | {"reward": 1.0 if to == 5 else -0.02})
            cell = to
        for here, there in zip(mine, [*mine[1:], None], strict=True):
            following = {"next_offset": there["log_offset"], "next_state": there["state"]} if there else {}
            rows.append({**here, **following, "is_last": there is None})
            rows[-1] |= {"project_id": 1, "model_name": "walker", "stratum": here["state"], "priority": 1.0}
            rows[-1] |= {"episode": str(episode)} | {
                name: following.get(name) for name in ("next_offset", "next_state")
            }
    return snapshot(pa.Table.from_pylist(rows))


def snapshot(rows: pa.Table, newest: int = 10_000, rehearsed: int = 1_000) -> pa.Table:
    found = kept([rows], newest, rehearsed, 0)
    return rows.join(found, "log_offset", join_type="inner").sort_by("log_offset")


def memory(rows: pa.Table, buffer: str, seed: int = 0) -> Memory:
    return Memory(rows, buffer, Limits(capacity=10_000, seed=seed))


def test_returns_look_ahead_and_stop_at_the_end():
    """Three rewards and their discounts, the state after them, and nothing beyond the end of an episode."""
    rows = walk(200, 1)
    by_offset = {row["log_offset"]: row for row in rows.to_pylist()}

    drawn = memory(rows, "uniform").draw(500, steps=3, gamma=0.5)

    for step in drawn:
        row, expected, discount = step.row, 0.0, 1.0
        for _ in range(3):
            expected, discount = expected + discount * row["reward"], discount * 0.5
            last, row = row, by_offset.get(row["next_offset"])
            if row is None:
                break
        assert step.returned == pytest.approx(expected)
        assert step.discount == pytest.approx(0.0 if last["is_last"] else discount)
        assert step.next_state == last["next_state"]


@pytest.mark.parametrize("buffer", collect())
def test_equal_seeds_draw_equally(buffer):
    """The same snapshot and seed give the same steps, with whatever buffer."""
    rows = walk(50, 2)

    assert memory(rows, buffer, 3).draw(64, 2) == memory(rows, buffer, 3).draw(64, 2)


def test_a_snapshot_keeps_the_newest_and_a_sample_of_all_times():
    """Each model has its own share; what the reservoir keeps speaks for all there were."""
    rows = walk(300, 4)
    later = pa.compute.add(rows["log_offset"], 10_000)
    others = rows.set_column(rows.column_names.index("model_name"), "model_name", pa.array(["other"] * len(rows)))
    others = others.set_column(others.column_names.index("log_offset"), "log_offset", later)

    found = kept([rows, *others.to_batches(100)], 100, 60, 0).to_pylist()

    for first in (0, 10_000):
        mine = [row for row in found if first < row["log_offset"] <= first + 10_000]
        newest = [row["log_offset"] - first for row in mine if row["is_newest"]]
        assert newest == rows["log_offset"].to_pylist()[-100:]
        sample = [row for row in mine if row["stands_for"] is not None]
        assert len(sample) == 60 and sum(row["stands_for"] for row in sample) == pytest.approx(len(rows))


@pytest.mark.parametrize("buffer", collect())
def test_the_way_is_learnt_from_a_drunkards_walk(buffer):
    """From steps at random, right is found to be best in every cell, although only the last one pays."""
    values = learn(memory(walk(400, 5), buffer), Learning(batches=200))

    cells = [orjson.dumps({"cell": f"c{cell}"}).decode() for cell in range(5)]
    assert values.best(cells) == ["right"] * 5
    worth = values.of(cells).max(1)
    assert all(worth[cell] < worth[cell + 1] for cell in range(4))


def test_one_kind_of_action_teaches_nothing():
    """Where all did the same, nothing is known of anything else, and the error says so."""
    rows = walk(20, 6)
    same = rows.set_column(rows.column_names.index("action"), "action", pa.array(["left"] * len(rows)))

    with pytest.raises(TooLittleToLearn, match="1 kinds of action"):
        learn(memory(same, "uniform"))


def digits_by_class(*groups: tuple[int, ...]) -> list[Task]:
    """scikit-learn's digits as tasks: each knows some classes only."""
    images = load_digits()
    features, labels = images.data / 16.0, images.target.astype(str).astype(object)
    tasks = []
    for group in groups:
        places = np.flatnonzero(np.isin(images.target, group))
        learnt, held = places[places % 4 > 0], places[places % 4 == 0]
        tasks.append(Task(str(group), features[learnt], labels[learnt], features[held], labels[held]))
    return tasks


def test_old_tasks_are_forgotten_without_a_memory():
    """Over five seeds a model that learns digits two by two keeps the first with a buffer, and loses them without."""
    tasks = digits_by_class((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))

    found = forgetting(tasks, seeds=range(5), capacity=200)

    old = found[:-1]
    without, rehearsed = (np.mean([getattr(each, name) for each in old]) for name in ("without", "rehearsed"))
    assert without < 0.5 and rehearsed > 0.8
    assert all(
        each.rehearsed - each.without > 2 * (each.rehearsed_spread + each.without_spread) / 5**0.5 for each in old
    )


def test_nothing_is_forgotten_of_one_task():
    """It takes two stretches; the error says how many there are."""
    with pytest.raises(TooLittleToLearn, match="1 stretches"):
        forgetting(digits_by_class((0, 1)), range(3), 10)
