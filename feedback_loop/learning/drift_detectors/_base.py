"""What a drift detector is: it compares two windows of a champion's life and says what it found, and how sure it is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar, Literal, NamedTuple

from feedback_loop.learning.collecting import collect_classes


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one champion's life: how many of its labelled answers were right, and what inputs it saw."""

    labelled: int = 0
    correct: float = 0
    """A count; not whole where the window stands for an accuracy that was stated."""
    inferences: int = 0
    features: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Values of each numeric feature, by name; an inference without it adds none."""
    outcomes: Sequence[bool] = ()
    """Whether each labelled answer was right, in order."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """How often each label (JSON text) was the right one."""
    categories: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How often each value of each text feature was there."""
    vectors: Sequence[Sequence[float]] = ()
    """The inputs that are one list of numbers, as embeddings are."""

    @property
    def accuracy(self) -> float | None:
        """Share of the labelled answers that were right, None without labels."""
        return self.correct / self.labelled if self.labelled else None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much is drift. The defaults make a false alarm rare although the question is asked every few seconds."""

    min_labels: int = 40
    """Labelled answers the recent window needs."""
    min_drop: float = 0.08
    """Loss of accuracy below which nobody retrains, however sure it is."""
    z: float = 3.0
    """Standard errors the loss must exceed (one side, p = 0.0013)."""
    hint_drop: float = 0.04
    hint_z: float = 1.645
    """A loss this large and this sure supports another finding, and is none by itself."""
    psi: float = 0.25
    """Population stability index of a feature, above its expectation without drift."""
    psi_samples: int = 200
    """Inferences both windows need for it."""
    psi_share: float = 0.05
    """Share of the features that must have moved."""
    ks_samples: int = 30
    """Inferences both windows need where there are too few for the index."""
    ks_gap: float = 0.2
    """Distance between the two distributions below which nobody minds, however sure it is."""
    classifier_samples: int = 1_000
    """Inputs both windows need for a classifier to tell them apart."""
    classifier_area: float = 0.7
    """From this area under its curve on, it can."""
    level: float = 0.001
    """How often a test may be wrong, for all features together."""


class FeatureDrift(NamedTuple):
    """How far one feature moved; `psi` is the population stability index, `expected` what chance alone makes of it."""

    feature: str
    psi: float
    expected: float
    reference_mean: float | None
    recent_mean: float | None
    has_drifted: bool


class Finding(NamedTuple):
    """What one detector says: drift, a hint of it, or neither; the reason is a sentence in each case."""

    kind: Literal["performance", "input", "concept", "label", "embedding"]
    is_drift: bool
    is_hint: bool
    reason: str
    features: tuple[FeatureDrift, ...] = ()
    is_concerned: bool = True
    """False where windows of this size or kind are another detector's."""


class DriftDetector(ABC):
    """Finds one kind of drift between two windows."""

    name: ClassVar[str]

    @abstractmethod
    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Compares `recent` with `reference`; too few samples are no drift, and the reason says so."""


@cache
def collect() -> Mapping[str, type[DriftDetector]]:
    """Every drift detector by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.drift_detectors", DriftDetector)  # type: ignore[type-abstract]
