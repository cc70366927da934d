"""Prioritised replay: what surprised is given more often, and counts less each time (Schaul et al. 2016)."""

from typing import ClassVar

import numpy as np

from feedback_loop.learning.replay_buffers._base import Arrivals, Drawn, Limits, Real, Whole
from feedback_loop.learning.replay_buffers._newest import Newest

FLOOR = 1e-3
"""Added to each priority: what was learnt by heart is still seen now and then."""


class Prioritised(Newest):
    """Draws in proportion to priority^alpha from a sum tree; weights are (N·P)^-beta.

    A batch is one draw from each of `count` equal parts of the sum, as in the paper. A draw and an update of 256 among
    a million take some twenty steps over arrays, whatever is kept.
    """

    name: ClassVar[str] = "prioritised"

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._depth = max(limits.capacity - 1, 1).bit_length()
        self._leaves = 1 << self._depth
        self._sums = np.zeros(2 * self._leaves)
        self._order: tuple[Whole, Whole] | None = None

    def extend(self, arrivals: Arrivals) -> None:
        """Takes the newest with their priorities."""
        places = self._place(arrivals)
        self._order = None
        self._set(places, arrivals.priorities[len(arrivals.priorities) - len(places) :])

    def draw(self, count: int) -> Drawn:
        """`count` of the newest, the higher their priority the likelier."""
        size, total = self._size(), self._sums[1]
        left = (np.arange(count) + self.random.random(count)) * (total / count)
        node = np.ones(count, np.int64)
        for _ in range(self._depth):
            node *= 2
            below = self._sums[node]
            right = (left >= below) & (self._sums[node + 1] > 0)
            left -= below * right
            node += right
        probabilities = self._sums[node] / total
        weights = (size * probabilities) ** -self.limits.beta
        return Drawn(self.offsets[node - self._leaves], probabilities, weights)

    def update(self, offsets: Whole, priorities: Real) -> None:
        """Sets the priorities of what is still kept."""
        if self._order is None:
            by_offset = np.argsort(self.offsets[: len(self)], kind="stable")
            self._order = by_offset, self.offsets[by_offset]
        by_offset, known = self._order
        at = np.minimum(np.searchsorted(known, offsets), len(known) - 1)
        found = known[at] == offsets
        self._set(by_offset[at[found]], priorities[found])

    def _set(self, places: Whole, priorities: Real) -> None:
        """A place that is named twice has the later priority."""
        node = places + self._leaves
        self._sums[node] = (np.maximum(priorities, 0.0) + FLOOR) ** self.limits.alpha
        for _ in range(self._depth):
            node = _once(node >> 1)
            self._sums[node] = self._sums[2 * node] + self._sums[2 * node + 1]


def _once(nodes: Whole) -> Whole:
    """Without neighbours that are equal: parents of sorted nodes come sorted, others are only written twice."""
    return nodes[np.concatenate(([True], nodes[1:] != nodes[:-1]))] if len(nodes) > 1 else nodes
