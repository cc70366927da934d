"""Uniform replay: the newest, each as likely as any other (Lin 1992)."""

from typing import ClassVar

import numpy as np

from feedback_loop.learning.replay_buffers._base import Drawn
from feedback_loop.learning.replay_buffers._newest import Newest


class Uniform(Newest):
    """Draws evenly and with replacement, so that what follows each other in the log does not in a batch."""

    name: ClassVar[str] = "uniform"

    def draw(self, count: int) -> Drawn:
        """`count` of the newest, each drawn apart."""
        size = self._size()
        one = np.ones(count)
        return Drawn(self.offsets[self.random.integers(0, size, count)], one / size, one)
