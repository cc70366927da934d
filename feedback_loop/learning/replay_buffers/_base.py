"""What a replay buffer is: it takes arrivals in the order of the log, keeps a bounded part of them, and draws from it.

It knows offsets, not what happened there: rows stay in the table they are in. Equal arrivals, calls and seeds give
equal draws, however the arrivals are cut into portions: that is how a buffer is rebuilt from the log.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from feedback_ingest.errors import FeedbackError
from feedback_loop.learning.collecting import collect_classes

Whole: TypeAlias = NDArray[np.int64]
Real: TypeAlias = NDArray[np.float64]
Words: TypeAlias = NDArray[np.object_]


class EmptyBuffer(FeedbackError):
    """Nothing is in the replay buffer yet; it fills with feedback that says how good an answer was."""

    code = "nothing-to-replay"


class Arrivals(NamedTuple):
    """Columns of equal length, in the order of the log."""

    offsets: Whole
    """Ascending, and above all that arrived before."""
    strata: Words
    """What each belongs to (text): a class, a task, a segment."""
    priorities: Real
    """How much there is to learn from each, not negative; 0 counts as next to nothing."""
    stands_for: Real
    """How many arrivals each speaks for: 1, or more where what arrives was drawn from a larger buffer."""


class Drawn(NamedTuple):
    """Columns of equal length: what was drawn, how likely that was a draw, and what it counts."""

    offsets: Whole
    probabilities: Real
    weights: Real
    """A mean with these weights estimates the mean over what the buffer speaks for; they are 1 on average."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a buffer is made. `alpha` and `beta` are those of prioritised replay (Schaul et al. 2016)."""

    capacity: int = 100_000
    seed: int = 0
    alpha: float = 0.6
    """0 draws evenly, 1 in proportion to the priorities."""
    beta: float = 1.0
    """How much of the unevenness the weights take back: 1 all of it, 0 none."""


class ReplayBuffer(ABC):
    """A bounded memory with one way to keep and one way to draw; one instance is one learner's."""

    name: ClassVar[str]

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    @abstractmethod
    def extend(self, arrivals: Arrivals) -> None:
        """Takes what arrived; what there is no room for is forgotten."""

    @abstractmethod
    def draw(self, count: int) -> Drawn:
        """`count` of what is kept; raises EmptyBuffer where nothing is."""

    @abstractmethod
    def kept(self) -> Whole:
        """The offsets of all that is kept, ascending."""

    def update(self, offsets: Whole, priorities: Real) -> None:  # noqa: B027  (most ask no learner)
        """Hears from a learner how much there is left to learn from what it was given; what is gone is ignored."""


@cache
def collect() -> Mapping[str, type[ReplayBuffer]]:
    """Every replay buffer by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.replay_buffers", ReplayBuffer)  # type: ignore[type-abstract]
