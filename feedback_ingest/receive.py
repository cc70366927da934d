"""The receive use case: from the bytes of an event and who sent it to an item for the log, or to what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import orjson
from msgspec import UNSET

from feedback_ingest.bounds import is_bounded
from feedback_ingest.canonical import Pepper, canonical_json
from feedback_ingest.envelopes import VISIBLE_FIELDS, Feedback, Inference, KnownContext, shape_faults
from feedback_ingest.errors import Fault, Forbidden, IdempotencyKeyReused, ValidationFailed
from feedback_ingest.feedback_types import FeedbackValue, collect
from feedback_ingest.log import Item
from feedback_ingest.names import canonical_uuid, is_visible, parse_time
from feedback_ingest.strict_json import parse, refuse_duplicate_names, walk, walk_members

MAX_FUTURE = timedelta(hours=24)
MAX_PAST = timedelta(days=400)
MAX_METADATA_BYTES = 8_192

AnyShape = TypeVar("AnyShape", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a key may send and from which pages; None is without limit. `events_per_day` is its project's."""

    events_per_minute: int | None = None
    bytes_per_minute: int | None = None
    events_per_day: int | None = None
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the key, the project it stands for, what it may do; `limits` is None where there are none."""

    key_id: str
    project_id: int
    scopes: frozenset[str]
    limits: Limits | None = None
    user_ref: str | None = None
    """The pseudonym of the one person this sender speaks for, if it is one."""

    @property
    def is_public(self) -> bool:
        """Whether the key is one that anybody can read out of a page."""
        return "ingest:public" in self.scopes and not self.may("ingest")

    def may(self, scope: str) -> bool:
        """Whether the key has `scope`; `admin` has every one but the public."""
        return scope in self.scopes or ("admin" in self.scopes and scope != "ingest:public")


def types_own_metrics(project_id: int, metric: str, feedback_type: str) -> str | None:
    """Knows the metrics that types bring with them, and no registered ones."""
    return None if any(kind.metric == metric for kind in collect().values()) else "not-registered"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Turns events into items for the log; pure but for `new_id`, which names events that come without a name."""

    types: dict[str, type[FeedbackValue]]
    pepper: Pepper
    new_id: Callable[[], UUID]
    metric_fault: Callable[[int, str, str], str | None] = types_own_metrics
    """Why an event of (project, metric, feedback type) may not name the metric, or None."""

    def feedback(self, raw: bytes, sender: Sender, now: datetime, name: str | None = None) -> Item:
        """A feedback event as an item, called `name` where the sender named it apart; raises a Refused error."""
        event, once = _read(raw)
        envelope = typed(event, Feedback)
        value = self._value(envelope)
        # What the shapes type they also bound, save for U+0000, which only an escape can write.
        free = FREE_FIELDS if is_bounded(type(value)) else FREE_FIELDS_AND_VALUE
        faults = walk(event) if b"\\" in raw else walk_members(event, free)
        faults += _visibility(event)
        faults += _pointed("/feedback_value", value.faults())
        feedback_id, renamed = self._named(event, envelope, name, faults)
        body = self._without_person(renamed, envelope, sender, faults)
        occurred_at = _event_time(envelope.occurred_at, "/occurred_at", now, sender, faults)
        _rare_faults(envelope, now, sender, faults)
        if envelope.metric is not UNSET:
            fault = self.metric_fault(sender.project_id, envelope.metric, envelope.feedback_type)
            faults += [Fault("/metric", fault)] if fault else []
        refuse(faults)
        _refuse_above_cap(envelope, sender)
        text = once if body is event else canonical_json(body)
        fingerprint = self.pepper.fingerprint(text)
        return Item(sender.project_id, "feedback", feedback_id, fingerprint, now, min(occurred_at, now), text.decode())

    def inference(self, raw: bytes, sender: Sender, now: datetime) -> Item:
        """An inference record as an item; raises one of the Refused errors."""
        record, text = _read(raw)
        refuse(walk(record))
        envelope = typed(record, Inference)
        faults = _visibility(record)
        ids = [output.output_id for output in envelope.outputs]
        unseen = (place for place, name in enumerate(ids) if not is_visible(name))
        faults += [Fault(f"/outputs/{place}/output_id", "not-visible") for place in unseen]
        if len(set(ids)) != len(ids):
            faults.append(Fault("/outputs", "must-differ"))
        if envelope.chosen_output_id is not UNSET and envelope.chosen_output_id not in ids:
            faults.append(Fault("/chosen_output_id", "not-an-output"))
        if envelope.inputs is not UNSET and envelope.inputs_ref is not UNSET:
            faults.append(Fault("/inputs_ref", "exactly-one-of"))
        occurred_at = min(_event_time(envelope.occurred_at, "/occurred_at", now, sender, faults), now)
        refuse(faults)
        name, fingerprint = envelope.inference_request_id, self.pepper.fingerprint(text)
        return Item(sender.project_id, "inference", name, fingerprint, now, occurred_at, text.decode())

    def _value(self, envelope: Feedback) -> FeedbackValue:
        shape = self.types.get(envelope.feedback_type)
        if shape is None:
            raise ValidationFailed(faults=(Fault("/feedback_type", "not-allowed"),))
        if envelope.schema_version is not UNSET:
            shape = shape.shape_of(envelope.schema_version)
            if shape is None:
                raise ValidationFailed(faults=(Fault("/schema_version", "not-allowed"),))
        try:
            return msgspec.convert(envelope.feedback_value, shape)
        except msgspec.ValidationError:
            faults = shape_faults(envelope.feedback_value, shape, (None, "feedback_value"))
            raise ValidationFailed(faults=tuple(faults)) from None

    def _named(
        self, event: dict[str, Any], envelope: Feedback, name: str | None, faults: list[Fault]
    ) -> tuple[str, dict[str, Any]]:
        """The event's id, the client's in lower case or a new one, and the event spelled with it."""
        if envelope.feedback_id is UNSET:
            return name or str(self.new_id()), event
        if name is not None:
            raise IdempotencyKeyReused(faults=(Fault("/feedback_id", "named-by-key"),))
        feedback_id = canonical_uuid(envelope.feedback_id)
        if feedback_id is None:
            faults.append(Fault("/feedback_id", "not-a-uuid"))
            return "", event
        return feedback_id, event if feedback_id == envelope.feedback_id else {**event, "feedback_id": feedback_id}

    def _without_person(
        self, body: dict[str, Any], envelope: Feedback, sender: Sender, faults: list[Fault]
    ) -> dict[str, Any]:
        """The event with its `user_id` replaced by the pseudonym; nothing after the door knows the person."""
        context = envelope.user_context
        if sender.user_ref is not None:
            return {**body, "user_context": {"user_id": sender.user_ref}}
        if context is UNSET:
            return body
        try:
            known = msgspec.convert(context, KnownContext)
        except msgspec.ValidationError:
            faults += shape_faults(context, KnownContext, (None, "user_context"))
            return body
        if known.user_id is UNSET:
            return body
        return {**body, "user_context": {**context, "user_id": self.pepper.pseudonym(sender.project_id, known.user_id)}}


def _read(raw: bytes) -> tuple[Any, bytes]:
    """The value and its canonical text; raises MalformedJson or TooDeep."""
    value = parse(raw)
    try:
        once = canonical_json(value)
    except orjson.JSONEncodeError:
        walk(value)  # the writer has met its own limit, which lies beyond ours
        raise
    refuse_duplicate_names(raw, once)
    return value, once


FREE_FIELDS = ("user_context", "metadata", "tags")
"""The parts of an event that may hold any JSON."""
FREE_FIELDS_AND_VALUE = (*FREE_FIELDS, "feedback_value")


def refuse(faults: list[Fault]) -> None:
    """Raises ValidationFailed when there is any fault."""
    if faults:
        raise ValidationFailed(faults=tuple(faults[:20]))


def typed(event: Any, shape: type[AnyShape]) -> AnyShape:
    """`event` as `shape`; raises ValidationFailed with every field that does not fit."""
    try:
        return msgspec.convert(event, shape)
    except msgspec.ValidationError:
        walk(event)  # what is too deep is told so, whatever else is wrong with it
        raise ValidationFailed(faults=tuple(shape_faults(event, shape))) from None


def _visibility(event: dict[str, Any]) -> list[Fault]:
    return [
        Fault(f"/{name}", "not-visible") for name in VISIBLE_FIELDS if name in event and not is_visible(event[name])
    ]


def _pointed(parent: str, faults: tuple[Fault, ...]) -> list[Fault]:
    return [Fault(parent + fault.pointer, fault.code) for fault in faults]


def _rare_faults(envelope: Feedback, now: datetime, sender: Sender, faults: list[Fault]) -> None:
    if envelope.sent_at is not UNSET:
        _event_time(envelope.sent_at, "/sent_at", now, sender, faults)
    if envelope.supersedes is not UNSET and not canonical_uuid(envelope.supersedes):
        faults.append(Fault("/supersedes", "not-a-uuid"))
    if envelope.metadata is not UNSET and len(msgspec.json.encode(envelope.metadata)) > MAX_METADATA_BYTES:
        faults.append(Fault("/metadata", "too-long"))


def _event_time(text: Any, pointer: str, now: datetime, sender: Sender, faults: list[Fault]) -> datetime:
    if text is UNSET:
        return now
    moment = parse_time(text)
    if moment is None:
        faults.append(Fault(pointer, "not-rfc3339"))
    elif moment - now > MAX_FUTURE:
        faults.append(Fault(pointer, "too-far-in-future"))
    elif now - moment > MAX_PAST and not sender.may("backfill"):
        faults.append(Fault(pointer, "too-old"))
    return moment or now


def _refuse_above_cap(envelope: Feedback, sender: Sender) -> None:
    """A key may only speak for those it was made for: a browser for its user, the gateway alone for verdicts."""
    kind = "end_user" if envelope.source is UNSET else envelope.source.kind
    public = sender.is_public
    if public and kind != "end_user":
        raise Forbidden("A public key speaks for end users only.", (Fault("/source/kind", "above-the-cap"),))
    if public and envelope.supersedes is not UNSET:
        raise Forbidden("A public key edits nothing.", (Fault("/supersedes", "above-the-cap"),))
    if public and envelope.feedback_type == "retraction":
        raise Forbidden("A public key takes nothing back.", (Fault("/feedback_type", "above-the-cap"),))
    if public and envelope.feedback_type == "ground_truth":
        raise Forbidden("A public key tells opinions, no ground truth.", (Fault("/feedback_type", "above-the-cap"),))
    if envelope.feedback_type == "review_label" and not sender.may("review"):
        raise Forbidden("Only the review gateway writes verdicts.", (Fault("/feedback_type", "above-the-cap"),))
