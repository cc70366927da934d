"""The contract's envelopes as types, for editors and type checkers; what they say is checked by the server."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

Label = str | int | bool
SourceKind = Literal["end_user", "reviewer", "llm_judge", "code", "environment", "system"]


class Target(TypedDict, total=False):
    """What part of the inference is meant."""

    output_id: str
    item_id: str
    slot: str
    path: str
    start: int
    end: int


class Source(TypedDict):
    """Who or what says it; the key caps which kinds it may claim."""

    kind: SourceKind
    id: NotRequired[str]


class Consent(TypedDict):
    """What the person agreed to."""

    training: bool


class UserContext(TypedDict, total=False):
    """The names of `user_context` that mean something; a plain dict may hold others beside them.

    `user_id` is replaced by a pseudonym before anything is stored.
    """

    user_id: str
    session_id: str
    user_tier: str
    locale: str
    app: str
    app_version: str
    segments: dict[str, str]
    consent: Consent


class ExposedItem(TypedDict):
    """One item that was shown, and its place, counted from 0."""

    item_id: str
    position: int


class Output(TypedDict):
    """One thing the model answered. A label is `content` itself, or `content["label"]`; text is `content["text"]`."""

    output_id: str
    content: Any
    score: NotRequired[float]
    logits: NotRequired[Sequence[float] | Mapping[str, float]]
    probabilities: NotRequired[Sequence[float] | Mapping[str, float]]
    rank: NotRequired[float]
    propensity: NotRequired[float]
    item_id: NotRequired[str]
    model_version: NotRequired[str]


class Envelope(TypedDict, total=False):
    """What every feedback may carry beside its value; the keyword arguments of every feedback method.

    `user_id` and `session_id` are short for the same names in `user_context`. A `feedback_id` of your own makes the
    event yours to repeat; without one the client makes a UUID version 7. `model_version` is required by the contract
    unless the client was made with one.
    """

    model_version: str
    model_name: str
    feedback_id: str
    metric: str
    target: Target
    user_context: Mapping[str, Any] | UserContext
    user_id: str
    session_id: str
    source: Source
    occurred_at: datetime | str
    confidence: float
    pass_probability: float
    rationale: str
    supersedes: str
    episode_id: str
    step: int
    traceparent: str
    tags: Mapping[str, str]
    metadata: Mapping[str, Any]


class FeedbackEvent(TypedDict):
    """A feedback event as `send` takes it; the client adds the id, the time and the trace where they are absent."""

    inference_request_id: str
    feedback_type: str
    feedback_value: Mapping[str, Any]
    model_version: NotRequired[str]
    model_name: NotRequired[str]
    feedback_id: NotRequired[str]
    schema_version: NotRequired[str]
    metric: NotRequired[str]
    target: NotRequired[Target]
    user_context: NotRequired[Mapping[str, Any] | UserContext]
    source: NotRequired[Source]
    occurred_at: NotRequired[datetime | str]
    confidence: NotRequired[float]
    pass_probability: NotRequired[float]
    rationale: NotRequired[str]
    supersedes: NotRequired[str]
    episode_id: NotRequired[str]
    step: NotRequired[int]
    traceparent: NotRequired[str]
    tags: NotRequired[Mapping[str, str]]
    metadata: NotRequired[Mapping[str, Any]]


class InferenceDetails(TypedDict, total=False):
    """What an inference record may carry beside its id and its outputs; keyword arguments of `log_inference`."""

    model_version: str
    model_name: str
    occurred_at: datetime | str
    inputs: Any
    inputs_ref: str
    chosen_output_id: str
    policy: Any
    parameters: Mapping[str, Any]
    embedding: Sequence[float]
    embedding_ref: str
    feature_attributions: Any
    segments: Mapping[str, str]
    confidence: float
    latency_ms: float
    traceparent: str
