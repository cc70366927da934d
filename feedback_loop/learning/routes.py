"""Routes as data: which feedback goes where, and which is held back until somebody has looked at it.

The functions serve the stream one event at a time, the expressions in `routed.py` serve partitions of millions;
a property test holds them to one meaning. A route counts for the events that come after it in the log.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import orjson
from msgspec import Meta

from feedback_ingest.envelopes import SourceKind, Visible
from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types import collect
from feedback_ingest.feedback_types._base import Number, Slug

Sink = Literal["training_queue", "lake", "review", "replay_buffer", "webhook"]
RouteId = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"\A[a-z0-9][a-z0-9_-]*\Z")]
Words = Annotated[str, Meta(min_length=1, max_length=256)]
Pairs = Annotated[dict[Words, Annotated[str, Meta(max_length=256)]], Meta(min_length=1, max_length=32)]
WEEK_S = 7 * 86_400
VERDICT_TYPE = "review_label"
"""Feedback of this type is a reviewer's verdict on its inference."""

Row = Mapping[str, Any]


class Range(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """From `min` to `max`, both included; what is left out is open."""

    min: Number | None = None
    max: Number | None = None

    def holds(self, number: float | None) -> bool:
        """Whether the number is there and within."""
        return (
            number is not None and (self.min is None or self.min <= number) and (self.max is None or number <= self.max)
        )


class Filter(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Every member that is given must hold; an empty filter takes all feedback.

    `labels` are compared as they are (`3` is not `"3"`), `label` takes whole numbers by their size; each name of
    `segments` and `tags` must have that value. `model_name` holds once the inference is known.
    """

    feedback_types: Annotated[list[Slug], Meta(min_length=1, max_length=64)] | None = None
    model_name: Visible | None = None
    model_version: Visible | None = None
    metric: Slug | None = None
    source_kinds: Annotated[list[SourceKind], Meta(min_length=1, max_length=6)] | None = None
    segments: Pairs | None = None
    tags: Pairs | None = None
    reward: Range | None = None
    labels: Annotated[list[str | int | bool], Meta(min_length=1, max_length=1_000)] | None = None
    label: Range | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it takes everything."""
        return all(getattr(self, name) is None for name in self.__struct_fields__)

    def takes(self, row: Row) -> bool:
        """Whether a row of ATTRIBUTED_SCHEMA passes."""
        return (
            (self.feedback_types is None or row["feedback_type"] in self.feedback_types)
            and (self.model_version is None or row["model_version"] == self.model_version)
            and (self.metric is None or row["metric"] == self.metric)
            and (self.source_kinds is None or row["source_kind"] in self.source_kinds)
            and (self.model_name is None or (row["state"] != "pending" and row["model_name"] == self.model_name))
            and (self.segments is None or has_all(row["segments"], self.segments))
            and (self.tags is None or has_all(row.get("tags"), self.tags))
            and (self.reward is None or self.reward.holds(row["reward"]))
            and (self.labels is None or row["label"] in label_texts(self))
            and (self.label is None or self.label.holds(_whole(row["label"])))
        )


class Route(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Feedback that `where` takes goes to every one of `sinks`; to a webhook endpoint by its id.

    With `hold` it stays out of the training queue and of datasets until a reviewer's verdict on its inference, a
    release, or `hold_s` seconds after its receipt.
    """

    route_id: RouteId
    where: Filter = Filter()
    sinks: Annotated[list[Sink], Meta(max_length=5)] = []
    webhook_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    hold: bool = False
    hold_s: Annotated[int, Meta(ge=60, le=90 * 86_400)] = WEEK_S
    description: Annotated[str, Meta(max_length=1_000)] = ""

    def faults(self) -> list[Fault]:
        """What is wrong beyond the shape."""
        known, found = collect(), []
        for place, name in enumerate(self.where.feedback_types or ()):
            found += [Fault(f"/where/feedback_types/{place}", "not-allowed")] if name not in known else []
        for name in ("reward", "label"):
            span = getattr(self.where, name)
            if span is not None and span.min is not None and span.max is not None and span.min > span.max:
                found.append(Fault(f"/where/{name}/max", "out-of-range"))
        if len(set(self.sinks)) != len(self.sinks):
            found.append(Fault("/sinks", "must-differ"))
        if not self.sinks and not self.hold:
            found.append(Fault("/sinks", "too-short"))
        if ("webhook" in self.sinks) != (self.webhook_id is not None):
            found.append(Fault("/webhook_id", "required" if self.webhook_id is None else "only-with-webhook"))
        return found

    def as_data(self) -> dict[str, Any]:
        """Its definition as JSON values, without what is not set."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        told["where"] = _set(told["where"])
        return _set(told)


class Placed(NamedTuple):
    """A route and the part of the log it counts for: offsets above `after`, up to `upto` (None: it is in force)."""

    route: Route
    after: int
    upto: int | None = None

    def counts_for(self, row: Row) -> bool:
        """Whether the row's event came while the route was in force, and passes."""
        offset = row["log_offset"]
        return offset > self.after and (self.upto is None or offset <= self.upto) and self.route.where.takes(row)


DEFAULT = Route(route_id="default", sinks=["training_queue", "lake"], description="What nobody routed otherwise.")
"""In force in every project until it is defined otherwise or taken back."""

EVERYTHING = (Placed(DEFAULT, 0),)


class Definition(NamedTuple):
    """What a project said of a route with one fact of the log: `route` is None where it was taken back."""

    project_id: int
    route_id: str
    log_offset: int
    route: Route | None


def book_of(definitions: Iterable[Definition]) -> dict[int, list[Placed]]:
    """Each project's routes with the part of the log they count for; projects that said nothing are not in it."""
    said: dict[int, dict[str, list[Definition]]] = {}
    for each in sorted(definitions, key=lambda each: each.log_offset):
        said.setdefault(each.project_id, {}).setdefault(each.route_id, []).append(each)
    book: dict[int, list[Placed]] = {}
    for project_id, by_id in said.items():
        end = min((each.log_offset for each in by_id.get(DEFAULT.route_id, ())), default=None)
        book[project_id] = [Placed(DEFAULT, 0, end)]
        for own in by_id.values():
            ends = [*(each.log_offset for each in own[1:]), None]
            book[project_id] += [
                Placed(each.route, each.log_offset, upto)
                for each, upto in zip(own, ends, strict=True)
                if each.route is not None
            ]
    return book


class Releases(NamedTuple):
    """What ends a hold: the newest verdict by inference, releases by feedback_id, both as offsets; the log's newest
    time of receipt."""

    verdicts: Mapping[str, int]
    released: Mapping[str, int]
    newest: datetime


def taking(row: Row, placed: Iterable[Placed]) -> list[Route]:
    """The routes of its project that take a row of ATTRIBUTED_SCHEMA."""
    return [each.route for each in placed if each.counts_for(row)]


def sinks_of(routes: Iterable[Route]) -> set[Sink]:
    """Where they lead, together."""
    return {sink for route in routes for sink in route.sinks}


def held_until(row: Row, routes: Iterable[Route]) -> datetime | None:
    """When the longest hold of the routes that take the row is over; None where none of them holds it."""
    spans = [route.hold_s for route in routes if route.hold]
    received_at = row["received_at"]
    if isinstance(received_at, str):
        received_at = datetime.fromisoformat(received_at)
    return received_at + timedelta(seconds=max(spans)) if spans else None


def is_held(row: Row, routes: Sequence[Route], releases: Releases) -> bool:
    """Whether the row stays out now: a hold that has not expired, no later verdict on its inference, no release."""
    until = held_until(row, routes)
    return (
        until is not None
        and until > releases.newest
        and releases.verdicts.get(row["inference_request_id"], 0) <= row["log_offset"]
        and row["feedback_id"] not in releases.released
    )


def is_verdict(row: Row) -> bool:
    """Whether a feedback row is a reviewer's verdict on its inference."""
    return bool(row["feedback_type"] == VERDICT_TYPE)


def label_texts(where: Filter) -> list[str]:
    """The labels as rows hold them, as JSON text."""
    return [orjson.dumps(label).decode() for label in where.labels or ()]


def pair_texts(pairs: Mapping[str, str]) -> list[tuple[str, str]]:
    """How each pair stands in compact JSON text: as the first member, or as a later one.

    Inside a value every quote is escaped, so neither can be met there.
    """
    members = [orjson.dumps({name: value}).decode()[1:-1] for name, value in pairs.items()]
    return [("{" + member, "," + member) for member in members]


def has_all(text: str | None, pairs: Mapping[str, str]) -> bool:
    """Whether an object, as compact JSON text, has every one of the pairs."""
    return text is not None and all(first in text or later in text for first, later in pair_texts(pairs))


def _whole(label: str | None) -> int | None:
    """The number of a label that is a whole number in JSON."""
    digits = label[1:] if label is not None and label.startswith("-") else label
    return int(label) if label is not None and digits and digits.isascii() and digits.isdigit() else None


def _set(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None and value != {}}
