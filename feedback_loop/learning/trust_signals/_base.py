"""What a signal is: a pure look at one end user's profile, and a reason that a person can check."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, NamedTuple

from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.trust.profiles import Profile
from feedback_loop.learning.trust.standings import body_of


class Suspicion(NamedTuple):
    """What a signal found: the kind of decision that follows (`trust.standings`), the weight it leaves, and why."""

    signal: str
    kind: str
    weight: float
    reason: str


class Signal(ABC):
    """Looks at a profile, and says nothing while that holds too little to tell."""

    name: ClassVar[str]
    kind: ClassVar[str]
    """What follows: a kind of `trust.standings`."""

    @abstractmethod
    def look(self, profile: Profile) -> tuple[float, str] | None:
        """The weight, 0 to 1, that what the user says still has, and the reason; None where nothing is wrong."""


def suspicions(profile: Profile) -> Iterator[Suspicion]:
    """What all signals find of a profile."""
    for name, signal in collect().items():
        found = signal().look(profile)
        if found is not None:
            yield Suspicion(name, signal.kind, *found)


def decision(profile: Profile, suspicion: Suspicion) -> tuple[str, dict[str, Any]]:
    """The name and the body of the fact that follows.

    One name a user, signal and day: until the fact is read the same is decided again, and changes nothing.
    """
    subject = profile.actor[2:]
    body = body_of(subject, suspicion.signal, suspicion.reason, weight=suspicion.weight)
    return f"{subject}-{suspicion.signal}-{profile.days[-1].day}", body


@cache
def collect() -> Mapping[str, type[Signal]]:
    """Every signal by name: one file each here, and those of installed packages."""
    return collect_classes("feedback_loop.learning.trust_signals", Signal)  # type: ignore[type-abstract]
