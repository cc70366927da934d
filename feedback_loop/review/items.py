"""What a reviewer is shown: the inference as it was logged, and where the queue shows it, what was said of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.feedback_types import collect
from feedback_ingest.tables import EventKey
from feedback_loop.learning.reviewing import ReviewQueue

SHOWN = ("inference_request_id", "model_name", "model_version", "inputs", "inputs_ref", "segments")
SHOWN_OF_OUTPUT = ("output_id", "content", "item_id")
SAID = ("feedback_type", "feedback_value", "rationale")


def bodies(session: Session, project_id: int, kind: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What stands in the log of a kind, by id; what is not there is left out."""
    named = (EventKey.project_id == project_id, EventKey.kind == kind, col(EventKey.id).in_(ids))
    offsets = {key.log_offset: key.id for key in session.exec(select(EventKey).where(*named))}
    return {offsets[offset]: row.body for offset, row in log.at(session, offsets).items()}


def item(session: Session, project_id: int, queue: ReviewQueue, task: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs and outputs of the task's inference, without how sure the model was; None where it is not logged yet.

    What people said of it is shown only by a queue that says so: a first look is blind.
    """
    name = task["inference_request_id"]
    inference = bodies(session, project_id, "inference", [name]).get(name)
    told: dict[str, Any] = {"inference": _shown(inference) if inference else None}
    if queue.show_feedback and task["feedback_id"]:
        said = bodies(session, project_id, "feedback", [task["feedback_id"]]).get(task["feedback_id"], {})
        told["feedback"] = {field: said[field] for field in SAID if field in said}
    return told


def asked(queue: ReviewQueue) -> dict[str, Any]:
    """How the reviewer is asked: the widget of the queue's feedback type, its options and its guidelines."""
    widget = collect()[queue.feedback_type].widget
    return {
        "feedback_type": queue.feedback_type,
        "widget": widget,
        "options": queue.options,
        "guidelines": queue.guidelines,
    }


def _shown(inference: Mapping[str, Any]) -> dict[str, Any]:
    outputs = [{name: each[name] for name in SHOWN_OF_OUTPUT if name in each} for each in inference["outputs"]]
    return {**{name: inference[name] for name in SHOWN if name in inference}, "outputs": outputs}
