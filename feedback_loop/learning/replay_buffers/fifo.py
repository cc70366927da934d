"""First in, first out: what is kept is given in the order it came, once a pass."""

from typing import ClassVar

import numpy as np

from feedback_loop.learning.replay_buffers._base import Drawn, Limits
from feedback_loop.learning.replay_buffers._newest import Newest


class Fifo(Newest):
    """The newest in the order of the log, from the oldest on; after the last the oldest again. A pass is unweighted."""

    name: ClassVar[str] = "fifo"

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.given = 0

    def draw(self, count: int) -> Drawn:
        """The next `count` arrivals; those overwritten before their turn are left out of it."""
        size = self._size()
        oldest = self.arrived - size
        self.given = max(self.given, oldest)
        turns = oldest + (self.given - oldest + np.arange(count, dtype=np.int64)) % size
        self.given = int(oldest + (self.given - oldest + count) % size)
        one = np.ones(count)
        return Drawn(self.offsets[turns % self.limits.capacity], one / size, one)
