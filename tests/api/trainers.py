"""Trainers that learn from the queue over HTTP, and what gives them something to learn from."""

import uuid
from typing import Any

from tests.api.conftest import Client


def send(client: Client, key: str, count: int, model: str = "digits") -> list[str]:
    """Inferences and what turned out to be true; the feedback's ids in their order."""
    names = [str(uuid.uuid4()) for _ in range(count)]
    for name in names:
        told = {"inference_request_id": name, "model_name": model, "model_version": "m"}
        output = {"output_id": "A", "content": {"label": 3}}
        client.post("/v1/inferences", key, {**told, "inputs": {"n": name}, "outputs": [output]})
        label = {"feedback_type": "ground_truth", "feedback_value": {"label": 4}}
        client.post("/v1/feedback", key, {**told, **label, "feedback_id": name})
    return names


def retract(client: Client, key: str, name: str) -> None:
    """Takes a feedback back."""
    value = {"feedback_type": "retraction", "feedback_value": {"retracts": name}}
    event = {"inference_request_id": name, "model_version": "m", "source": {"kind": "reviewer"}, **value}
    assert client.post("/v1/feedback", key, event).status_code == 201


def ask(client: Client, key: str, what: str, **body: Any) -> Any:
    """The answer of an operation of the queue, which goes well."""
    answer = client.post(f"/v1/training-queue/{what}", key, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(claimed: Any) -> list[str]:
    """Which examples were given."""
    return [example["feedback_id"] for example in claimed["examples"]]


def begin(client: Client, key: str, *names: str) -> None:
    """Makes groups that stand behind everything there is."""
    for name in names:
        ask(client, key, "claim", group=name, **{"from": "latest"})
