"""What a reader of references is: from the address behind a scheme to bytes, only where the operator allows it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar

from feedback_ingest.errors import FeedbackError
from feedback_ingest.settings import Settings
from feedback_loop.learning.collecting import collect_classes

PROJECT = "{project}"
"""Stands in an allowed place for the name of the project whose inference names the object."""


class ReferencesAway(FeedbackError):
    """The place that inputs are kept in cannot be reached; nothing was compiled, try again when it is back."""

    code = "references-away"


class Reader(ABC):
    """Reads the objects of one scheme, for one project; safe to use from several threads."""

    name: ClassVar[str]
    """The scheme, as in `name://address`."""

    @abstractmethod
    def __init__(self, settings: Settings, project: str) -> None:
        """Takes the allowed places from the settings; raises SetupError where they are none."""

    @abstractmethod
    def read(self, address: str, limit: int) -> bytes:
        """At most `limit` bytes behind `name://address`.

        Raises learning's ReferenceUnusable for an object that is not there, not allowed or too large, and
        ReferencesAway where nobody can tell.
        """


def places(text: str | None, project: str) -> Sequence[str]:
    """The allowed places of a setting, separated by commas, with the project's name put in."""
    named = (place.strip().replace(PROJECT, project) for place in (text or "").split(","))
    return [place for place in named if place]


def steps(path: str) -> list[str] | None:
    """The names of a path with slashes; None where one is empty, goes up or is no name at all."""
    names = path.split("/")
    return None if any(name in ("", ".", "..") or "\0" in name for name in names) else names


@cache
def collect() -> Mapping[str, type[Reader]]:
    """Every reader by scheme: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_assets.reference_readers", Reader)  # type: ignore[type-abstract]
