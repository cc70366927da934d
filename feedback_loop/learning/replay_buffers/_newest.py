"""Buffers that keep the newest: a ring of offsets, in which an arrival takes the place of the oldest."""

import numpy as np

from feedback_loop.learning.replay_buffers._base import Arrivals, EmptyBuffer, Limits, ReplayBuffer, Whole


class Newest(ReplayBuffer):
    """Keeps the newest `capacity` arrivals; the n-th to arrive stands at place n modulo `capacity`."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.offsets = np.zeros(limits.capacity, np.int64)
        self.arrived = 0
        self.random = np.random.Generator(np.random.PCG64(limits.seed))

    def __len__(self) -> int:
        return min(self.arrived, self.limits.capacity)

    def extend(self, arrivals: Arrivals) -> None:
        """Takes the newest; the others are forgotten at once."""
        self._place(arrivals)

    def kept(self) -> Whole:
        """The offsets of all that is kept, ascending."""
        return np.sort(self.offsets[: len(self)])

    def _place(self, arrivals: Arrivals) -> Whole:
        """The places that the last arrivals took, the newest `capacity` of them."""
        count = len(arrivals.offsets)
        taken = min(count, self.limits.capacity)
        places = np.arange(self.arrived + count - taken, self.arrived + count, dtype=np.int64) % self.limits.capacity
        self.offsets[places] = arrivals.offsets[count - taken :]
        self.arrived += count
        return places

    def _size(self) -> int:
        """How many are kept; raises EmptyBuffer where nothing is."""
        if not self.arrived:
            raise EmptyBuffer()
        return len(self)
