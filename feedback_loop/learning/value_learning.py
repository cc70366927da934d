"""Value learning: what each action earns from a state on, learnt from replayed transitions; a bandit where none follow.

Linear Q-learning over flat features, with n-step returns and the weights of the buffer (Sutton & Barto 2018, 10.1 and
11.1; double target kept apart as in Mnih et al. 2015). Simple enough to be fitted in seconds on a CPU, and enough to
say whether another policy is worth a trial.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from feedback_loop.learning.errors import TooLittleToLearn
from feedback_loop.learning.features import flatten_text
from feedback_loop.learning.replaying import Memory, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

MOST_FEATURES = 512
MOST_ACTIONS = 100
PATIENCE = 50
"""Batches between two copies of the values that what follows is judged by."""


class Learning(NamedTuple):
    """How values are learnt."""

    batches: int = 400
    batch: int = 256
    steps: int = 3
    gamma: float = 0.95
    rate: float = 0.5
    """Of the step size, normalised by the length of the features (NLMS), so that it holds for any scale."""


class Values:
    """What each action is worth in a state: linear in the features that were common among what was replayed."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        """Takes features, their scale and the actions from some rows (COLUMNS of transitions)."""
        flat = [flatten_text(row["state"]) for row in rows]
        names = Counter(_named(name, value) for each in flat for name, value in each.items())
        self._place = {name: place for place, (name, _) in enumerate(names.most_common(MOST_FEATURES))}
        counts = Counter(row["action"] for row in rows if row["action"] is not None)
        self.actions = sorted(action for action, _ in counts.most_common(MOST_ACTIONS))
        if len(self.actions) < 2:
            raise TooLittleToLearn(f"{len(self.actions)} kinds of action in {len(rows)} transitions; it takes two")
        matrix = self._matrix([row["state"] for row in rows])
        self._mean, spread = matrix.mean(0), matrix.std(0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self.weights = np.zeros((len(self.actions), len(self._place) + 1))

    def features(self, states: Sequence[str | None]) -> "Real":
        """One row a state (JSON text), standardised, and a constant."""
        scaled = (self._matrix(states) - self._mean) / self._spread
        return np.hstack([scaled, np.ones((len(states), 1))])

    def of(self, states: Sequence[str | None]) -> "Real":
        """One row a state, one column for each of `actions`."""
        found: Real = self.features(states) @ self.weights.T
        return found

    def best(self, states: Sequence[str | None]) -> list[str]:
        """The action worth most in each state."""
        return [self.actions[place] for place in self.of(states).argmax(1).tolist()]

    def _matrix(self, states: Sequence[str | None]) -> "Real":
        matrix = np.zeros((len(states), len(self._place)))
        for row, state in enumerate(states):
            for name, value in flatten_text(state).items():
                place = self._place.get(_named(name, value))
                if place is not None:
                    matrix[row, place] = 1.0 if isinstance(value, str) else value
        return matrix


def learn(memory: Memory, learning: Learning = Learning()) -> Values:  # noqa: B008  (a frozen value)
    """Values learnt from what `memory` replays; equal memories give equal values. Raises TooLittleToLearn."""
    values = Values(memory.rows.to_pylist())
    known = {action: place for place, action in enumerate(values.actions)}
    later = values.weights.copy()
    for turn in range(learning.batches):
        drawn = memory.draw(learning.batch, learning.steps, learning.gamma)
        drawn = [step for step in drawn if step.row["action"] in known]
        if turn % PATIENCE == 0:
            later = values.weights.copy()
        memory.learnt(drawn, _improve(values, later, drawn, known, learning.rate))
    return values


def _improve(values: Values, later: "Real", drawn: list[Step], known: dict[str, int], rate: float) -> "Real":
    """One step towards what was earned and what followed is worth; how far each was off before."""
    features = values.features([step.row["state"] for step in drawn])
    chosen = np.array([known[step.row["action"]] for step in drawn])
    follows = (values.features([step.next_state for step in drawn]) @ later.T).max(1)
    wanted = np.array([step.returned for step in drawn]) + np.array([step.discount for step in drawn]) * follows
    errors = wanted - (features * values.weights[chosen]).sum(1)
    weights = np.array([step.weight for step in drawn])
    length = (features**2).sum(1)
    alike = np.bincount(chosen)[chosen]  # those that move the same action make one step together
    np.add.at(values.weights, chosen, (rate * weights * errors / length / alike)[:, None] * features)
    found: Real = errors
    return found


def _named(name: str, value: float | str) -> str:
    """A text is a feature of its own; a number is one by its name."""
    return f"{name}={value}" if isinstance(value, str) else name
