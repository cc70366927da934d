"""What a source of context is: something outside the log that can be asked about several things at once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec

from feedback_ingest.errors import FeedbackError
from feedback_ingest.settings import Settings
from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.context import About

Row = Mapping[str, Any]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=10**9)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class SourceAway(FeedbackError):
    """The source gave no answer; it is asked again, and after a while the context is told as missing."""

    code = "source-away"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Question(NamedTuple):
    """What a source is asked about, its name there, and what else the source must know (JSON values)."""

    about: str
    subject: dict[str, Any]


class Answers(NamedTuple):
    """What a source said: by `about`, None where it knows nothing of it; and the version of what it said it from."""

    version: str
    found: Mapping[str, dict[str, Any] | None]


class Options(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the sources file may say of every source; times are in seconds."""

    keep_s: Seconds = 86_400.0
    """So long an answer is good; then it is asked for again, and the old one counts until the new one is there."""
    retry_s: Seconds = 300.0
    """So long nothing is asked of what the source had no answer to."""
    timeout_s: Seconds = 2.0
    give_up_s: Seconds = 60.0
    """After so long without an answer the context is missing."""


class ContextSource(ABC):
    """One configured source: `called` so in the sources file, which says its `options`."""

    name: ClassVar[str]
    """The kind of source, as the sources file has it."""
    about: ClassVar[About]
    shape: ClassVar[type[Options]]

    def __init__(self, called: str, options: Any, settings: Settings) -> None:
        self.called = called
        self.options = options
        self.settings = settings

    @abstractmethod
    def question(self, feedback: Row, inference: Row) -> Question | None:
        """What is asked for a feedback whose inference is known; None where there is nothing to ask about."""

    @abstractmethod
    async def ask(self, project: str, questions: Sequence[Question], now: datetime) -> Answers:
        """What the source says of each; raises SourceAway. It is told the project's name."""


@cache
def collect() -> Mapping[str, type[ContextSource]]:
    """Every kind of source by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.stream.context_sources", ContextSource)  # type: ignore[type-abstract]
