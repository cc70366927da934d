"""Review policies as data: which answers people look at without anybody asking for them by name, and how many.

A policy counts for what comes after it in the log, as routes do.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from feedback_ingest.envelopes import Visible
from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import Number, Slug
from feedback_loop.learning.review_reasons import Item, collect
from feedback_loop.learning.routes import Pairs, RouteId, has_all

ACTIVE, AUDIT = "active_learning", "random_audit"
Occasion = Literal["new_day", "drift_detected", "drift_signalled", "bias_detected", "alert_raised"]
"""When a batch is chosen: the first event of a UTC day, or a fact of this kind about the model."""
FRESH = timedelta(days=1)
"""What was answered longer ago when it was received was imported: nobody is served it now, so nobody looks at it."""


class ReviewPolicy(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Answers for which `reason` holds, beyond `threshold` where it has a figure, go to the queue `queue_id`.

    Of those in all `segments` of `model_name` (default: any) the `share` is taken, by a hash of the answer's name, and
    of these the first `per_day` of a UTC day. `active_learning` chooses by batches: at each of `occasions` the `batch`
    of the newest `pool` answers of the model that it was least sure of and that are least alike.
    """

    policy_id: RouteId
    reason: Slug
    queue_id: RouteId = "default"
    threshold: Number | None = None
    model_name: Visible | None = None
    segments: Pairs | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1
    per_day: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    occasions: Annotated[list[Occasion], Meta(min_length=1, max_length=5)] | None = None
    batch: Annotated[int, Meta(ge=1, le=500)] | None = None
    pool: Annotated[int, Meta(ge=2, le=2_000)] | None = None
    description: Annotated[str, Meta(max_length=1_000)] = ""

    def faults(self) -> list[Fault]:
        """What is wrong beyond the shape."""
        if self.reason != ACTIVE:
            found = [
                Fault(f"/{name}", "only-with-active-learning")
                for name in ("occasions", "batch", "pool")
                if getattr(self, name) is not None
            ]
            return found + self._reason_faults()
        found = [Fault("/occasions", "required")] if self.occasions is None else []
        found += [Fault("/threshold", "not-allowed")] if self.threshold is not None else []
        found += [Fault("/share", "not-allowed")] if self.share != 1 else []
        if self.occasions is not None and len(set(self.occasions)) < len(self.occasions):
            found.append(Fault("/occasions", "must-differ"))
        return found

    def _reason_faults(self) -> list[Fault]:
        kind = collect().get(self.reason)
        if kind is None:
            return [Fault("/reason", "not-allowed")]
        found = []
        if self.threshold is not None and kind.threshold is None:
            found.append(Fault("/threshold", "not-allowed"))
        elif self.threshold is not None and not kind.span[0] <= self.threshold <= kind.span[1]:
            found.append(Fault("/threshold", "out-of-range"))
        if self.reason == "segment" and self.segments is None:
            found.append(Fault("/segments", "required"))
        if self.reason == AUDIT and self.share == 1:
            found.append(Fault("/share", "required"))
        if self.reason == AUDIT and self.per_day is not None:  # a budget would cut the evening off the sample
            found.append(Fault("/per_day", "not-allowed"))
        return found

    def as_data(self) -> dict[str, Any]:
        """Its definition as JSON values, without what is not set."""
        return {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}

    @property
    def batch_size(self) -> int:
        """How many a batch holds."""
        return self.batch or 20

    @property
    def pool_size(self) -> int:
        """Of how many answers a batch is chosen."""
        return self.pool or 1_000

    def covers(self, inference: Mapping[str, Any]) -> bool:
        """Whether an answer (INFERENCE_SCHEMA) is of its model and segments, and was served when it was received."""
        return (
            self.model_name in (None, inference["model_name"])
            and (self.segments is None or has_all(inference["segments"], self.segments))
            and _moment(inference["received_at"]) - _moment(inference["occurred_at"]) <= FRESH
        )

    def why(self, item: Item) -> str | None:
        """Why a person should look at the item, or None where this policy does not say so."""
        if not self.covers(item.inference) or not self.samples(item.inference["inference_request_id"]):
            return None
        found = collect()[self.reason]().why(item, self.threshold)
        return None if found is None else f"policy {self.policy_id}: {found}"

    def samples(self, inference_request_id: str) -> bool:
        """Whether an answer belongs to the `share`: by its name and the policy's alone, so for ever and everywhere."""
        named = f"{self.policy_id}:{inference_request_id}".encode()
        return int(hashlib.md5(named, usedforsecurity=False).hexdigest()[:8], 16) < self.share * 2**32


class PlacedPolicy(NamedTuple):
    """A policy and the part of the log it counts for: offsets above `after`, up to `upto` (None: it is in force)."""

    policy: ReviewPolicy
    version: int
    after: int
    upto: int | None = None

    def counts_at(self, log_offset: int) -> bool:
        """Whether it was in force for the event at that offset."""
        return log_offset > self.after and (self.upto is None or log_offset <= self.upto)


class PolicyDefinition(NamedTuple):
    """What a project said of a policy with one fact of the log: `policy` is None where it was taken back."""

    project_id: int
    policy_id: str
    log_offset: int
    version: int
    policy: ReviewPolicy | None


SAFETY = ReviewPolicy(policy_id="safety", reason="severity", description="Every report of harm is looked at.")
"""In force in every project until it is defined otherwise or taken back."""
STANDARD = (PlacedPolicy(SAFETY, 0, 0),)


def policies_of(definitions: Iterable[PolicyDefinition]) -> dict[int, list[PlacedPolicy]]:
    """Each project's policies with the part of the log they count for; projects that said nothing are not in it."""
    said: dict[int, dict[str, list[PolicyDefinition]]] = {}
    for each in sorted(definitions, key=lambda each: each.log_offset):
        said.setdefault(each.project_id, {}).setdefault(each.policy_id, []).append(each)
    book: dict[int, list[PlacedPolicy]] = {}
    for project_id, by_id in said.items():
        end = min((each.log_offset for each in by_id.get(SAFETY.policy_id, ())), default=None)
        book[project_id] = [PlacedPolicy(SAFETY, 0, 0, end)]
        for own in by_id.values():
            ends = [*(each.log_offset for each in own[1:]), None]
            book[project_id] += [
                PlacedPolicy(each.policy, each.version, each.log_offset, upto)
                for each, upto in zip(own, ends, strict=True)
                if each.policy is not None
            ]
    return book


def read_policy(definition: bytes | str) -> ReviewPolicy:
    """A policy of its JSON text; raises msgspec.ValidationError for what another version of the program wrote."""
    return msgspec.json.decode(definition, type=ReviewPolicy)


def _moment(time: Any) -> datetime:
    return datetime.fromisoformat(time) if isinstance(time, str) else time
