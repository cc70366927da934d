"""An identity service, asked over HTTP which segments a person is in; the person is named by pseudonym."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import orjson

from feedback_ingest.envelopes import Segments
from feedback_ingest.errors import SetupError
from feedback_ingest.settings import Settings
from feedback_ingest.strict_json import walk
from feedback_loop.learning.context import About
from feedback_loop.stream.context_sources._base import (
    Answers,
    ContextSource,
    Name,
    Options,
    Question,
    Row,
    SourceAway,
)
from feedback_loop.stream.webhooks.sending import Wire
from feedback_loop.stream.webhooks.targets import Allowed, TargetRefused, checked, parse, system_resolve

READ_BYTES = 1_048_576
HEADERS = {"user-agent": "feedback-loop-context/1", "accept": "application/json"}


class IdentityOptions(Options, kw_only=True):
    """`token_file` holds what is sent as the bearer token."""

    url: Name
    token_file: str | None = None


class Told(msgspec.Struct):
    """What the service answers: segments by pseudonym; whom it does not name it does not know."""

    segments: dict[str, Segments]
    version: Name = "unversioned"


class IdentityService(ContextSource):
    """Asks `url` with POST `{"project": "default", "subjects": ["p_1", …]}`, at most 100 a time.

    It answers `{"version": "…", "segments": {"p_1": {"plan": "pro"}}}`. Where it may be is held to the rules of
    webhooks: public addresses, or those that FEEDBACK_SOURCES_ALLOW names; no redirects, no proxy from the environment.
    """

    name: ClassVar[str] = "identity_service"
    about: ClassVar[About] = "user_ref"
    shape: ClassVar[type[Options]] = IdentityOptions

    def __init__(self, called: str, options: IdentityOptions, settings: Settings) -> None:
        super().__init__(called, options, settings)
        allowed = Allowed.read(settings.sources_allow, "FEEDBACK_SOURCES_ALLOW")
        try:
            target = parse(options.url, allowed)
            if target.address is not None:  # a name is looked up whenever it is asked
                checked(target, allowed, system_resolve)
        except TargetRefused as error:
            raise SetupError(
                f"{called}/url: it may not be asked; name a public http or https address, or allow it by "
                "FEEDBACK_SOURCES_ALLOW"
            ) from error
        self.wire = Wire(
            allowed, settings.egress_proxy, total_s=options.timeout_s, read_bytes=READ_BYTES, kept_bytes=READ_BYTES
        )
        self._token = _token(called, options.token_file)

    def question(self, feedback: Row, inference: Row) -> Question | None:
        """The person who gave the feedback."""
        return None if feedback["user_ref"] is None else Question(feedback["user_ref"], {})

    async def ask(self, project: str, questions: Sequence[Question], now: datetime) -> Answers:
        """One request for all of them."""
        subjects = [question.about for question in questions]
        body = orjson.dumps({"project": project, "subjects": subjects}).decode()
        async with self.wire as wire:
            sent = await wire.send(self.options.url, {**HEADERS, **self._token}, body, now)
        if sent.outcome.status != 200:
            raise SourceAway(sent.outcome.error or f"status-{sent.outcome.status}")
        told = _told((sent.answer or "").encode())
        return Answers(told.version, {name: told.segments.get(name) for name in subjects})


def _told(answer: bytes) -> Told:
    """The answer, where it is what it must be and the log can keep it."""
    try:
        told: Any = orjson.loads(answer)
        if walk(told):
            raise SourceAway("bad-answer")
        return msgspec.convert(told, Told)
    except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
        raise SourceAway("bad-answer") from error


def _token(called: str, path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        return {"authorization": f"Bearer {Path(path).read_text().strip()}"}
    except OSError as error:
        raise SetupError(f"{called}/token_file: cannot read {path}: {error.strerror}") from error
