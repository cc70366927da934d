"""Review queues as data: who judges which items, how often each, what an answer is, and what comes first."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from feedback_ingest.canonical import canonical_json
from feedback_ingest.envelopes import Visible, shape_faults
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.feedback_types import collect as feedback_types
from feedback_ingest.feedback_types._base import Label, Share, Slug
from feedback_loop.learning.consensus_methods import collect as consensus_methods
from feedback_loop.learning.routes import RouteId

QueueId = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"\A[a-z0-9][a-z0-9_-]*\Z")]
Asked = Literal["explicit_label", "explicit_correction", "preference_pair"]
"""What a reviewer is asked for: a value of this feedback type, by its widget."""
Place = Literal["here", "label_studio", "ground_truth"]
"""Where the items of a queue are judged: on the page and by the API, or in a tool outside that a connector talks to."""
GROUND_TRUTH_WORKERS = 9
"""So many at most may label one object there."""
LARGEST = 1_000
"""Priorities are whole numbers from 0 to this; the larger comes first."""


class Reviewer(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, rename={"is_expert": "expert"}):
    """What one key may do in a queue; an expert also decides what the others left open, and changes the queue."""

    skills: Annotated[list[Slug], Meta(max_length=16)] = []
    max_per_day: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    is_expert: bool = False


class ReviewQueue(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Each item goes to `overlap` reviewers, one at a time each for `lease_s`, none of whom sees what another said.

    What more than the share `more_than` speaks for, by `method`, is the verdict; the rest is for an expert. Without
    `reviewers` every key with the scope review is a reviewer and an expert. A reviewer's first `training` items, and
    afterwards the share `gold_share`, are gold items, whose answer is known. Items come from `routes` that lead to
    review; those of routes that no queue names go to the queue `default`. What is `judged_in` a tool outside is claimed
    by nobody here.
    """

    queue_id: QueueId
    feedback_type: Asked = "explicit_label"
    options: Annotated[list[Label], Meta(min_length=1, max_length=100)] | None = None
    guidelines: Annotated[str, Meta(max_length=20_000)] = ""
    overlap: Annotated[int, Meta(ge=1, le=100)] = 1
    lease_s: Annotated[int, Meta(ge=10, le=86_400)] = 600
    max_leases: Annotated[int, Meta(ge=1, le=100)] = 5
    method: Annotated[str, Meta(min_length=1, max_length=64)] = "majority"
    more_than: Share = 0.5
    golden: bool = False
    routes: Annotated[list[RouteId], Meta(max_length=100)] = []
    reviewers: Annotated[dict[Visible, Reviewer], Meta(min_length=1, max_length=1_000)] | None = None
    gold_share: Annotated[float, Meta(ge=0, le=0.5)] = 0
    training: Annotated[int, Meta(ge=0, le=100)] = 0
    show_feedback: bool = False
    judged_in: Place = "here"

    def faults(self) -> list[Fault]:
        """What is wrong beyond the shape."""
        found = [] if self.method in consensus_methods() else [Fault("/method", "not-allowed")]
        if self.options is not None and self.feedback_type != "explicit_label":
            found.append(Fault("/options", "not-allowed"))
        if len({canonical_json(option) for option in self.options or ()}) != len(self.options or ()):
            found.append(Fault("/options", "must-differ"))
        if self.judged_in == "ground_truth" and self.options is None:
            found.append(Fault("/options", "required"))
        if self.judged_in == "ground_truth" and self.overlap > GROUND_TRUTH_WORKERS:
            found.append(Fault("/overlap", "out-of-range"))
        return found

    def as_data(self) -> dict[str, Any]:
        """Its definition as JSON values, without what is not set."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in told.items() if value is not None}

    def may_judge(self, key_id: str) -> bool:
        """Whether the key is one of its reviewers."""
        return self.reviewers is None or key_id in self.reviewers

    def is_expert(self, key_id: str) -> bool:
        """Whether the key decides here."""
        return self.reviewers is None or self.of(key_id).is_expert

    def of(self, key_id: str) -> Reviewer:
        """What the key may do."""
        return (self.reviewers or {}).get(key_id, Reviewer())

    def knows(self, skill: str) -> bool:
        """Whether any of its reviewers has a skill; the empty one is everybody's."""
        return skill == "" or any(skill in each.skills for each in (self.reviewers or {}).values())


DEFAULT = ReviewQueue(queue_id="default")
"""There in every project until it is defined otherwise."""


def answer_of(queue: ReviewQueue, value: dict[str, Any]) -> str:
    """What a submitted value answers, as text that is equal where two answers are.

    Raises ValidationFailed, with pointers below /value.
    """
    shape = feedback_types()[queue.feedback_type]
    try:
        read = msgspec.convert(value, shape)
    except msgspec.ValidationError:
        raise ValidationFailed(faults=tuple(shape_faults(value, shape, (None, "value")))) from None
    faults = [Fault(f"/value{fault.pointer}", fault.code) for fault in read.faults()]
    if "corrected_output" in value:
        faults.append(Fault("/value/corrected_output", "not-allowed"))
    label, preference = read.label(), read.preference()
    if queue.options is not None and not _all_among(label, queue.options):
        faults.append(Fault("/value/label", "not-allowed"))
    if faults:
        raise ValidationFailed(faults=tuple(faults))
    if preference is not None:
        told: Any = {"tie": True} if preference.tie else {"preferred": preference.preferred}
    elif label is not None:
        told = {"label": sorted(label, key=canonical_json) if isinstance(label, list) else label}
    else:
        told = {"text": read.text()}
    return canonical_json(told).decode()


def verdict_of(queue: ReviewQueue, value: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a verdict event that say what was found: `value` is a reviewer's that agrees with it.

    `told` has task_id, annotators, method, and agreement and golden where there are any. A preference stays one, with
    the same beside it as metadata.
    """
    if queue.feedback_type == "preference_pair":
        return {"feedback_type": "preference_pair", "feedback_value": dict(value), "metadata": {"review": dict(told)}}
    said = {name.removeprefix("corrected_") if name != "corrected_text" else name: value[name] for name in value}
    kept = {name: said[name] for name in ("label", "labels", "corrected_text") if name in said}
    return {"feedback_type": "review_label", "feedback_value": {**kept, **told}}


def urgency(severity: float, disagreement: float, certainty: float | None) -> int:
    """What an item is worth looking at first, 0 to LARGEST: the severity of what was reported (0 to 4), then how far
    people differ about it, and the model's doubt (0 to 1 each)."""
    doubt = 0.0 if certainty is None else 1 - certainty
    return min(LARGEST, max(0, round(200 * severity + 100 * disagreement + 100 * doubt)))


def priority_of(feedback: Mapping[str, Any] | None, inference: Mapping[str, Any] | None) -> int:
    """The urgency of an item by the bodies of the feedback that led to it and of its inference."""
    severity = 0
    if feedback is not None and feedback["feedback_type"] == "safety_flag":
        severity = feedback["feedback_value"]["severity"]
    return urgency(severity, 0, certainty_of(inference) if inference is not None else None)


def rank_of(priority: int, opened_at: datetime) -> datetime:
    """When an item's turn is, by which items are given: fixed when it is opened, so that it can be indexed.

    A point of priority is worth a minute of waiting: nothing urgent waits long, and nothing waits for ever.
    """
    return opened_at - timedelta(minutes=priority)


def certainty_of(inference: Mapping[str, Any]) -> float | None:
    """How sure the model was of its answer, 0 to 1; None where it did not say."""
    if "confidence" in inference:
        return float(inference["confidence"])
    outputs = inference["outputs"]
    chosen = inference.get("chosen_output_id")
    output = next((each for each in outputs if each["output_id"] == chosen), outputs[0])
    told = output.get("probabilities")
    if not told:
        return None
    return min(1.0, max(0.0, float(max(told.values() if isinstance(told, dict) else told))))


def gives_gold(queue: ReviewQueue, key_id: str, nth: int) -> bool:
    """Whether a reviewer's `nth` item (from 0) is to be one whose answer is known; the same however often asked."""
    if nth < queue.training:
        return True
    named = f"gold:{queue.queue_id}:{key_id}:{nth}".encode()
    return int(hashlib.md5(named, usedforsecurity=False).hexdigest()[:8], 16) < queue.gold_share * 2**32


def _all_among(label: Any, options: list[Any]) -> bool:
    known = {canonical_json(option) for option in options}
    return all(canonical_json(each) in known for each in (label if isinstance(label, list) else [label]))
