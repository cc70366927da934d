"""What a gate check is: it looks at what is known of both sides, and passes, fails or has nothing to say."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar, Literal, NamedTuple

from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.off_policy import Judged

Outcome = Literal["passed", "failed", "skipped"]
CASES = 200
"""Past corrections that a candidate is asked again, at most; the newest ones."""


class Answered(NamedTuple):
    """One labelled row and what both sides make of it; labels are JSON text."""

    name: str
    """The inference_request_id."""
    label: str
    candidate: str | None
    champion: str | None
    source_kind: str = "end_user"
    """Who said what is right."""
    segments: tuple[str, ...] = ()
    """Those of the inference, each `name=value`."""

    @property
    def is_candidate_right(self) -> bool:
        """Does the candidate say what was said to be right?"""
        return self.candidate == self.label

    @property
    def is_champion_right(self) -> bool:
        """Does the champion?"""
        return self.champion == self.label


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when the gate is asked; what is empty or None was not to be had."""

    trained_rows: int = 0
    golden: Sequence[Answered] = ()
    """Newest first."""
    recent: int = 0
    """How many of these, the newest, stand for the world as it is now."""
    have_inputs_moved: bool = False
    """Are the recent ones asked otherwise than those before?"""
    corrections: Sequence[Answered] = ()
    """What people corrected before the champion was promoted, newest first."""
    latency_ms: float | None = None
    """95 of 100 single answers of the candidate took no longer."""
    off_policy: Judged | None = None
    """What the candidate would have earned, where answers were logged with their propensity."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is too much; an operator may set the first two."""

    min_rows: int = 10
    latency_ms: float = 1_000.0
    corrections: int = 20
    """So many past corrections it takes to judge by them."""
    regression: float = 0.10
    """The share of past corrections that a candidate may get wrong although the champion is right."""
    segment_rows: int = 30
    segment_loss: float = 0.10
    z: float = field(default=1.645)
    """A loss within a segment must be larger than `segment_loss` and surer than so many standard errors."""
    flood_share: float = 0.5
    flood_jump: float = 0.3


class Finding(NamedTuple):
    """What one check says; the reason is a sentence in each case."""

    check: str
    outcome: Outcome
    reason: str


class GateCheck(ABC):
    """Looks for one thing that must not be."""

    name: ClassVar[str]

    @abstractmethod
    def judge(self, evidence: Evidence, limits: Limits) -> tuple[Outcome, str]:
        """Whether the candidate passes, and why; `skipped` where too little is known to say."""


@cache
def collect() -> Mapping[str, type[GateCheck]]:
    """Every gate check by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.gate_checks", GateCheck)  # type: ignore[type-abstract]
