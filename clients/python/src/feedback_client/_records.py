"""What a reader finds: facts of the log, examples of the training queue, transitions of the replay buffer."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A fact as it stands in the log: `body` is the event as it was sent; times are RFC 3339 text."""

    offset: int
    kind: str
    id: str
    received_at: str
    occurred_at: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Transition:
    """A step that was replayed: what a model was asked, what it did, what that and what followed earned.

    `returned` is the discounted sum of rewards over up to the steps asked for; `discount` is what the value of
    `next_state` counts, 0 where the episode ends. `weight` makes means over transitions honest. `details` holds the
    reward of this step alone, its place in its episode, and the rest.
    """

    state: Any
    action: str | int | bool | None
    returned: float
    next_state: Any
    discount: float
    weight: float
    probability: float
    inference_request_id: str
    offset: int
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """Something to learn from: what went in, what was answered, and what it should have been or was worth.

    `label` and `reward` are what the feedback said, where it did; `weight` is the inverse of the share of events that
    the client sampled; `details` holds the answer, preferences, and what enrichment added. `attempt` counts how often
    it was handed out, `offset` and `ready_offset` are its places in the log and in the queue.
    """

    feedback_id: str
    inputs: Any
    label: str | int | bool | list[Any] | None
    reward: float | None
    weight: float
    details: dict[str, Any]
    model_name: str
    model_version: str
    inference_request_id: str
    occurred_at: str
    offset: int
    ready_offset: int
    attempt: int


def transition_of(told: dict[str, Any]) -> Transition:
    """A transition as the replay buffer tells it."""
    return Transition(
        state=told["state"],
        action=told["action"],
        returned=told["return"],
        next_state=told["next_state"],
        discount=told["discount"],
        weight=told["weight"],
        probability=told["probability"],
        inference_request_id=told["inference_request_id"],
        offset=told["offset"],
        details=told,
    )


def example_of(told: dict[str, Any]) -> Example:
    """An example as the training queue tells it."""
    details = told["example"]
    return Example(
        feedback_id=told["feedback_id"],
        inputs=details.get("inputs"),
        label=told["label"],
        reward=told["reward"],
        weight=told["weight"],
        details=details,
        model_name=told["model_name"],
        model_version=told["model_version"],
        inference_request_id=told["inference_request_id"],
        occurred_at=told["occurred_at"],
        offset=told["offset"],
        ready_offset=told["ready_offset"],
        attempt=told["attempt"],
    )
