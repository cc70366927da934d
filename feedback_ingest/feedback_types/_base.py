"""What a feedback type is: the shape of its value, and what the value says as a reward, a label or a preference."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from feedback_ingest.errors import Fault

LIMIT = 2**53 - 1

Text = Annotated[str, Meta(min_length=1, max_length=65_536, pattern=r"\S")]
Comment = Annotated[str, Meta(min_length=1, max_length=10_000, pattern=r"\S")]
OutputId = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"\S")]
ItemId = Annotated[str, Meta(min_length=1, max_length=2_048, pattern=r"\S")]
Slug = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[a-z][a-z0-9_]*\Z")]
Number = Annotated[float, Meta(ge=-LIMIT, le=LIMIT)]
Integer = Annotated[int, Meta(ge=-LIMIT, le=LIMIT)]
Count = Annotated[int, Meta(ge=0, le=LIMIT)]
Share = Annotated[float, Meta(ge=0, le=1)]
Label = Annotated[str, Meta(min_length=1, max_length=65_536, pattern=r"\S")] | Integer | bool
Labels = Annotated[list[Label], Meta(min_length=1, max_length=1_000)]
ReasonCodes = Annotated[list[Slug], Meta(min_length=1, max_length=32)]

Widget = dict[str, Any]
"""How a person is asked for this feedback, as data: the review page and the web client draw it."""


@dataclass(frozen=True, slots=True)
class Preference:
    """One output was liked better than another; `rejected` is None where the inference implies it."""

    preferred: str
    rejected: str | None
    tie: bool = False


@dataclass(frozen=True, slots=True)
class OlderVersion:
    """A version that a newer one replaced: its shape, since when it is deprecated, and when it ends (sunset)."""

    shape: type["FeedbackValue"]
    deprecated: datetime
    sunset: datetime


class FeedbackValue(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A `feedback_value`. A subclass states its fields, and overrides what it can say; the docstring is its page."""

    feedback_type: ClassVar[str]
    """The name on the wire, final."""
    version: ClassVar[str] = "1.0"
    """The newest schema version of this type."""
    older: ClassVar[dict[str, "OlderVersion"]] = {}
    """Versions still taken, the oldest first; each has a method `upcast_v1_0_v1_1` that leads to the next one."""
    metric: ClassVar[str]
    """The metric it feeds when the event names none."""
    widget: ClassVar[Widget]
    examples: ClassVar[tuple[dict[str, Any], ...]]
    """Values that are valid; tests and docs use them."""
    counter_examples: ClassVar[tuple[dict[str, Any], ...]] = ()
    """Values that are refused."""

    @classmethod
    def shape_of(cls, version: str | None) -> "type[FeedbackValue] | None":
        """The shape of `version`, the newest where it is None; None where this type has no such version."""
        if version is None or version == cls.version:
            return cls
        return cls.older[version].shape if version in cls.older else None

    @classmethod
    def upcast(cls, value: dict[str, Any], version: str | None = None) -> dict[str, Any]:
        """`value`, stored at `version` or at one nobody noted, as the newest version says it.

        An upcast only adds what is not there, so it leaves a value alone that is newer than it was told.
        """
        versions = [*cls.older, cls.version]
        start = versions.index(version) if version is not None else 0
        for old, new in pairwise(versions[start:]):
            value = getattr(cls, f"upcast_v{old}_v{new}".replace(".", "_"))(value)
        return value

    def faults(self) -> tuple[Fault, ...]:
        """What is wrong between the fields, with pointers relative to the value; empty when nothing is."""
        return ()

    def reward(self) -> float | None:
        """How good the answer was, 0 (bad) to 1 (good), or None when this type does not say."""
        return None

    def number(self) -> float | None:
        """The number it states, on its own scale: the reward, unless a type counts or measures something else."""
        return self.reward()

    def label(self) -> str | int | bool | list[Any] | None:
        """What the answer should have been, as a label, or None."""
        return None

    def text(self) -> str | None:
        """What the answer should have been, as text, or None; a remark about it is not that."""
        return None

    def preference(self) -> Preference | None:
        """Which output was better, or None."""
        return None

    def target(self) -> str | None:
        """The feedback_id this event takes back, or None."""
        return None


def reward_of_scale(score: float, low: float, high: float) -> float:
    """`score` on the scale low..high as 0..1."""
    return (score - low) / (high - low)


def one_of(value: FeedbackValue, *names: str) -> tuple[Fault, ...]:
    """A fault unless exactly one of the optional fields `names` is present."""
    present = [name for name in names if getattr(value, name) is not msgspec.UNSET]
    return () if len(present) == 1 else (Fault(f"/{names[0]}", "exactly-one-of"),)


def known(value: Any) -> Any:
    """`value`, or None where the optional field is absent."""
    return None if value is msgspec.UNSET else value
