"""Rehearsal: how much of old tasks a model forgets that goes on learning, with and without a memory of them.

The measure is that of continual learning: the accuracy on what is held out of each task, once the last was learnt
(Lopez-Paz & Ranzato 2017; reservoirs for rehearsal: Rolnick et al. 2019).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from feedback_loop.learning.errors import TooLittleToLearn
from feedback_loop.learning.features import flatten_text
from feedback_loop.learning.replay_buffers import Arrivals, Limits
from feedback_loop.learning.replay_buffers.stratified_reservoir import StratifiedReservoir

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

BATCH = 32


class Task(NamedTuple):
    """A stretch of what a model learns, in order: features (rows × columns) and labels, to learn from and held out."""

    name: str
    features: "Real"
    labels: "NDArray[np.object_]"
    held_features: "Real"
    held_labels: "NDArray[np.object_]"


class Forgetting(NamedTuple):
    """What became of one task: the accuracy on its held out rows after the last task, over seeds."""

    task: str
    rows: int
    held: int
    without: float
    without_spread: float
    """Standard deviation over the seeds."""
    rehearsed: float
    rehearsed_spread: float


def stretches(rows: Sequence[Mapping[str, Any]], count: int = 4, most: int = 2_000) -> list[Task]:
    """`rows` (LABELED_SCHEMA, in the order of feedback_offset, with inputs) as `count` tasks of equal length.

    Golden rows are what is held out. Of each stretch at most `most` rows are taken, evenly.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.preprocessing import StandardScaler

    parts = [part[:: -(-len(part) // most)] for part in _cut(rows, count) if part]
    if not parts:
        return []
    flat = [flatten_text(row["inputs"]) for part in parts for row in part]
    matrix = StandardScaler().fit_transform(DictVectorizer(sparse=False).fit_transform(flat))
    tasks, start = [], 0
    for number, part in enumerate(parts, 1):
        features, labels = matrix[start : start + len(part)], np.array([row["label"] for row in part], object)
        golden = np.array([bool(row["is_golden"]) for row in part])
        tasks.append(Task(f"stretch {number}", features[~golden], labels[~golden], features[golden], labels[golden]))
        start += len(part)
    return tasks


def _cut(rows: Sequence[Any], count: int) -> list[Sequence[Any]]:
    ends = [len(rows) * place // count for place in range(count + 1)]
    return [rows[start:end] for start, end in pairwise(ends)]


def forgetting(tasks: Sequence[Task], seeds: Sequence[int], capacity: int) -> list[Forgetting]:
    """Learns the tasks one after another, with a buffer of `capacity` rows beside and without; the accuracies.

    Raises TooLittleToLearn for fewer than two tasks with rows on both sides, or fewer than two labels.
    """
    usable = [task for task in tasks if len(task.labels) and len(task.held_labels)]
    labels = np.unique(np.concatenate([task.labels for task in usable])) if usable else np.zeros(0)
    if len(usable) < 2 or len(labels) < 2:
        raise TooLittleToLearn(f"{len(usable)} stretches with {len(labels)} labels; it takes two of each")
    found = []
    accuracies = {kept: [_accuracies(usable, labels, seed, kept) for seed in seeds] for kept in (0, capacity)}
    for place, task in enumerate(usable):
        without, rehearsed = ([each[place] for each in accuracies[kept]] for kept in (0, capacity))
        counts = len(task.labels), len(task.held_labels)
        found.append(Forgetting(task.name, *counts, *_mean_and_spread(without), *_mean_and_spread(rehearsed)))
    return found


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    return round(fmean(values), 6), round(stdev(values), 6) if len(values) > 1 else 0.0


def _accuracies(tasks: Sequence[Task], labels: Any, seed: int, capacity: int) -> list[float]:
    """The accuracy on each task after the last; of each batch, half is drawn from the buffer where there is one."""
    from sklearn.linear_model import SGDClassifier

    random = np.random.Generator(np.random.PCG64(seed))
    model = SGDClassifier(loss="log_loss", alpha=1e-3, random_state=seed)
    buffer = StratifiedReservoir(Limits(capacity, seed)) if capacity else None
    seen = 0
    features, wanted = np.concatenate([t.features for t in tasks]), np.concatenate([t.labels for t in tasks])
    for task in tasks:
        order = random.permutation(len(task.labels)) + seen
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            if buffer is not None and seen:
                batch = np.concatenate([batch, buffer.draw(len(batch)).offsets - 1])
            model.partial_fit(features[batch], wanted[batch], classes=labels)
        if buffer is not None:
            buffer.extend(_arrivals(task, seen))
        seen += len(task.labels)
    return [float((model.predict(task.held_features) == task.held_labels).mean()) for task in tasks]


def _arrivals(task: Task, seen: int) -> Arrivals:
    """Strata are the labels within a task, so that a rare class of an old task keeps its place too."""
    count = len(task.labels)
    strata = np.array([f"{task.name}: {label}" for label in task.labels], object)
    return Arrivals(np.arange(seen + 1, seen + count + 1, dtype=np.int64), strata, np.ones(count), np.ones(count))
