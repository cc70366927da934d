"""The contract's two envelopes, feedback and inference, as typed shapes, and the search for what is wrong in one."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import Count, ItemId, Number, Share, Slug
from feedback_ingest.strict_json import pointer

Visible = Annotated[str, Meta(min_length=1, max_length=256)]
Spelled = Annotated[str, Meta(max_length=128)]
"""Text whose spelling is checked apart, where it is read."""
TraceParent = Annotated[str, Meta(max_length=55, pattern=r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")]
Score = Annotated[float, Meta(gt=0, le=1)]
Segments = dict[str, Annotated[str, Meta(max_length=256)]]
Vector = Annotated[list[Number], Meta(min_length=1, max_length=10_000)]
SourceKind = Literal["end_user", "reviewer", "llm_judge", "code", "environment", "system"]


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An object with known names only."""


class Target(Shape):
    """What part of the inference is meant."""

    output_id: Visible | UnsetType = UNSET
    item_id: ItemId | UnsetType = UNSET
    slot: Visible | UnsetType = UNSET
    path: Annotated[str, Meta(min_length=1, max_length=2_048)] | UnsetType = UNSET
    start: Count | UnsetType = UNSET
    end: Count | UnsetType = UNSET


class Source(Shape):
    """Who or what says it."""

    kind: SourceKind = "end_user"
    id: Visible | UnsetType = UNSET


class Consent(Shape):
    """What the person agreed to."""

    training: bool


class Feedback(Shape):
    """A statement about an inference, as POST /v1/feedback takes it."""

    inference_request_id: Visible
    model_version: Visible
    feedback_type: Annotated[str, Meta(min_length=1, max_length=64)]
    feedback_value: dict[str, Any]
    feedback_id: Spelled | UnsetType = UNSET
    schema_version: Annotated[str, Meta(max_length=3, pattern=r"\A1\.[0-9]\Z")] | UnsetType = UNSET
    model_name: Visible | UnsetType = UNSET
    metric: Slug | UnsetType = UNSET
    target: Target | UnsetType = UNSET
    user_context: Annotated[dict[str, Any], Meta(max_length=64)] | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    occurred_at: Spelled | UnsetType = UNSET
    sent_at: Spelled | UnsetType = UNSET
    confidence: Share | UnsetType = UNSET
    pass_probability: Score | UnsetType = UNSET
    rationale: Annotated[str, Meta(min_length=1, max_length=10_000, pattern=r"\S")] | UnsetType = UNSET
    supersedes: Spelled | UnsetType = UNSET
    episode_id: Visible | UnsetType = UNSET
    step: Count | UnsetType = UNSET
    traceparent: (
        Annotated[str, Meta(max_length=55, pattern=r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")]
        | UnsetType
    ) = UNSET
    tags: Annotated[dict[str, Annotated[str, Meta(max_length=256)]], Meta(max_length=32)] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class KnownContext(msgspec.Struct, kw_only=True):
    """The names of `user_context` that mean something; any other name may stand beside them."""

    user_id: Visible | UnsetType = UNSET
    session_id: Visible | UnsetType = UNSET
    user_tier: Visible | UnsetType = UNSET
    locale: Visible | UnsetType = UNSET
    app: Visible | UnsetType = UNSET
    app_version: Visible | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET
    consent: Consent | UnsetType = UNSET


class Output(Shape):
    """One thing the model answered."""

    output_id: Visible
    content: Any
    score: Number | UnsetType = UNSET
    logits: Vector | dict[str, Number] | UnsetType = UNSET
    probabilities: Vector | dict[str, Number] | UnsetType = UNSET
    rank: Number | UnsetType = UNSET
    propensity: Score | UnsetType = UNSET
    item_id: ItemId | UnsetType = UNSET
    model_version: Visible | UnsetType = UNSET


class Inference(Shape):
    """One answer of a model, as POST /v1/inferences takes it."""

    inference_request_id: Visible
    model_version: Visible
    outputs: Annotated[list[Output], Meta(min_length=1, max_length=1_000)]
    model_name: Visible | UnsetType = UNSET
    occurred_at: Spelled | UnsetType = UNSET
    inputs: Any = UNSET
    inputs_ref: ItemId | UnsetType = UNSET
    chosen_output_id: Visible | UnsetType = UNSET
    policy: Any = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    embedding: Vector | UnsetType = UNSET
    embedding_ref: ItemId | UnsetType = UNSET
    feature_attributions: Any = UNSET
    segments: Segments | UnsetType = UNSET
    confidence: Share | UnsetType = UNSET
    latency_ms: Annotated[float, Meta(ge=0, le=2**53 - 1)] | UnsetType = UNSET
    traceparent: (
        Annotated[str, Meta(max_length=55, pattern=r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")]
        | UnsetType
    ) = UNSET


VISIBLE_FIELDS = ("inference_request_id", "model_version", "model_name", "episode_id", "chosen_output_id")
SERVER_FIELDS = ("offset", "project_id", "received_at", "content_hash", "attribution", "validation", "trust")


def shape_faults(value: Any, shape: type[msgspec.Struct], parent: Any = None) -> list[Fault]:
    """Every field of `value` that does not fit `shape`: unknown, missing or wrong, with its pointer; at most 20."""
    if not isinstance(value, dict):
        return [Fault(pointer(parent), "wrong-type")]
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    faults = []
    if shape.__struct_config__.forbid_unknown_fields:
        for name in value.keys() - fields.keys():
            faults.append(Fault(pointer((parent, name)), "server-owned" if name in SERVER_FIELDS else "unknown-field"))
    for name, field in fields.items():
        if name not in value:
            if field.required:
                faults.append(Fault(pointer((parent, name)), "required"))
            continue
        try:
            msgspec.convert(value[name], field.type)
        except msgspec.ValidationError as error:
            faults.append(Fault(pointer((parent, name)) + _inner_pointer(str(error)), _code(str(error))))
    return sorted(faults, key=lambda fault: fault.pointer)[:20]


def _inner_pointer(message: str) -> str:
    """Where inside a field msgspec stumbled: its `$.a[0].b` as `/a/0/b`; names of a map are not known to it."""
    _, found, path = message.rpartition(" - at `")
    if not found:
        return ""
    path = path.rstrip("`").removeprefix("$").replace("[...]", "").replace("[", "/").replace("]", "")
    return path.replace(".", "/")


def _code(message: str) -> str:
    for part, code in (
        ("missing required", "required"),
        ("unknown field", "unknown-field"),
        ("of length <=", "too-long"),
        ("of length >=", "too-short"),
        ("matching regex", "bad-format"),
        (">=", "out-of-range"),
        ("<=", "out-of-range"),
        ("> 0", "out-of-range"),
        ("Invalid enum", "not-allowed"),
    ):
        if part in message:
            return code
    return "wrong-type"
