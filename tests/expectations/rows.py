"""Tables for the rules' tests: a few feedback rows and inferences, plain unless a test says otherwise."""

from datetime import UTC, datetime
from typing import Any

import ibis
import pyarrow as pa

from expectations.rules import Evidence
from expectations.validation import measured
from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, INFERENCE_SCHEMA

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def feedback(number: int, **more: Any) -> dict[str, Any]:
    """Feedback `f<number>` of user `u<number>` on inference `r<number>`."""
    return {
        "log_offset": 1000 + number,
        "project_id": 1,
        "feedback_id": f"f{number}",
        "inference_request_id": f"r{number}",
        "model_version": "1",
        "feedback_type": "explicit_label",
        "source_kind": "end_user",
        "user_ref": f"u{number}",
        "occurred_at": NOON,
        "received_at": NOON,
        "label": '"a"',
        "is_retraction": False,
        "clock_skew": False,
        "training_consent": True,
        "pass_probability": 1.0,
        "feedback_value": "{}",
        **more,
    }


def inference(number: int, **more: Any) -> dict[str, Any]:
    """Inference `r<number>`, which answered "a" with output A."""
    return {
        "log_offset": number,
        "project_id": 1,
        "inference_request_id": f"r{number}",
        "model_name": "m",
        "model_version": "1",
        "occurred_at": NOON,
        "received_at": NOON,
        "answer_label": '"a"',
        "output_ids": ["A", "B"],
        **more,
    }


def evidence(
    rows: list[dict[str, Any]], inferences: list[dict[str, Any]], earlier: list[dict[str, Any]] | None = None
) -> Evidence:
    """Evidence in which `rows` are judged and `earlier` is history before them."""
    return Evidence.gather(
        ibis.memtable(pa.Table.from_pylist(rows, FEEDBACK_SCHEMA)),
        ibis.memtable(pa.Table.from_pylist([*(earlier or []), *rows], FEEDBACK_SCHEMA)),
        ibis.memtable(pa.Table.from_pylist(inferences, INFERENCE_SCHEMA)),
    )


def broken(rows: list[dict[str, Any]], inferences: list[dict[str, Any]], earlier: Any = None) -> dict[str, list[str]]:
    """The rules that each of `rows` breaks, by feedback_id."""
    found = measured(evidence(rows, inferences, earlier)).to_pyarrow().to_pylist()
    assert len(found) == len(rows)
    return {row["feedback_id"]: row["broken_rules"] for row in found}
