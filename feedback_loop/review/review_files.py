"""Queues and review policies in a YAML file: read, and judged with the place of every fault."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from feedback_ingest.envelopes import shape_faults
from feedback_ingest.errors import Fault, SetupError
from feedback_loop.learning.review_policies import ReviewPolicy
from feedback_loop.learning.reviewing import ReviewQueue

T = TypeVar("T", ReviewPolicy, ReviewQueue)
REMEDIES = {
    "not-allowed": "take one of the values that docs/how-to/review.md lists, or leave it out",
    "required": "give it",
    "only-with-active-learning": "leave it out, or let the reason be active_learning",
    "out-of-range": "give a number that the reason's figure can take",
    "must-differ": "name each once",
    "unknown-field": "leave it out; the fields are those of docs/how-to/review.md",
}
"""What to do about a fault of a definition, by its code."""


class Wanted(NamedTuple):
    """What a file defines."""

    queues: list[ReviewQueue]
    policies: list[ReviewPolicy]


def read_review(path: Path) -> Wanted:
    """What a file defines under `queues:` and `policies:`; raises SetupError naming each field and its remedy."""
    import yaml

    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}; check its name") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} is not YAML; write `queues:` and `policies:`, and a list below each") from error
    if not isinstance(told, dict) or not told or not told.keys() <= {"queues", "policies"}:
        raise SetupError(f"{path} must hold `queues:` or `policies:` and nothing else; write a list below each")
    faults: list[str] = []
    found = Wanted(_listed(told, "queues", ReviewQueue, faults), _listed(told, "policies", ReviewPolicy, faults))
    if faults:
        raise SetupError("; ".join(f"{path} {fault}" for fault in faults[:20]))
    return found


def _listed(told: dict[str, Any], name: str, shape: Callable[..., T], faults: list[str]) -> list[T]:
    listed = told.get(name, [])
    if not isinstance(listed, list):
        faults.append(f"/{name}: wrong-type (write a list below it)")
        return []
    for place, one in enumerate(listed):
        faults += [f"/{name}/{place}{_said(fault)}" for fault in _faults_of(one, shape)]
    return [] if faults else [msgspec.convert(one, shape) for one in listed]


def _faults_of(told: Any, shape: Any) -> Sequence[Fault]:
    try:
        read: ReviewPolicy | ReviewQueue = msgspec.convert(told, shape)
    except msgspec.ValidationError:
        return shape_faults(told, shape) or [Fault("", "wrong-type")]
    return read.faults()


def _said(fault: Fault) -> str:
    return f"{fault.pointer}: {fault.code} ({REMEDIES.get(fault.code, 'write it as docs/how-to/review.md says')})"
