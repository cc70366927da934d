"""What an incremental learner is: it learns a few labelled rows at a time, and can be asked in between."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, TypeAlias

from feedback_loop.learning.collecting import collect_classes

Features: TypeAlias = Mapping[str, float | str]
"""Flat names and values, as `features.flatten` makes them."""


class IncrementalLearner(ABC):
    """A classifier over flat features; labels are JSON text. What it is pickled as must be enough to answer."""

    name: ClassVar[str]
    replay: ClassVar[int] = 5_000
    """So many of the newest rows bring a new one up to date, so that none has a state which the log has not."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @property
    @abstractmethod
    def classes_(self) -> Sequence[str]:
        """The labels it can answer; none before it has learnt enough, and was renewed, to answer at all."""

    @abstractmethod
    def learn(self, features: Sequence[Features], labels: Sequence[str]) -> None:
        """Takes rows in the order of the log; the same rows and seed make the same model."""

    def renew(self) -> None:  # noqa: B027 - most have nothing to do here
        """Brings the answers up to date with what was learnt, where that is more than learning a row."""

    @abstractmethod
    def predict_proba(self, features: Sequence[Features]) -> Any:
        """How likely each of `classes_` is, one row of a matrix for each of `features`."""


@cache
def collect() -> Mapping[str, type[IncrementalLearner]]:
    """Every incremental learner by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.incremental_learners", IncrementalLearner)  # type: ignore[type-abstract]
