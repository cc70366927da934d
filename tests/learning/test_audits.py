"""Audits: a random sample tells how often a model is wrong, whatever else people were asked to look at."""

from datetime import UTC, datetime
from typing import Any

import ibis
import pyarrow as pa

from feedback_loop.learning.audits import audits
from feedback_loop.learning.review_policies import PlacedPolicy, ReviewPolicy
from feedback_loop.learning.schemas import INFERENCE_SCHEMA, LABELED_SCHEMA

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANSWERS = 3_000


def wrong(number: int) -> bool:
    """Every tenth answer is wrong."""
    return number % 10 == 0


def answer(number: int) -> dict[str, Any]:
    """An inference, as far as it matters here."""
    times = {"occurred_at": NOON, "received_at": NOON}
    named = {"project_id": 1, "inference_request_id": f"i-{number}", "model_name": "m", "model_version": "1"}
    return {"log_offset": number + 1, **named, "output_ids": ["A"], **times}


def verdict(number: int) -> dict[str, Any]:
    """What people found of it."""
    named = {"project_id": 1, "inference_request_id": f"i-{number}", "source_type": "review_label"}
    return {**named, "correct": not wrong(number)}


def test_an_audit_is_not_misled_by_what_else_is_looked_at() -> None:
    """People saw the audit's sample and every doubtful answer; planted, all alike, the rate is far too high."""
    policy = ReviewPolicy(policy_id="audit", reason="random_audit", share=0.2)
    book = {1: [PlacedPolicy(policy, 1, 0, ANSWERS)]}
    sampled = [n for n in range(ANSWERS) if policy.samples(f"i-{n}")]
    seen = sorted({*sampled, *(n for n in range(ANSWERS) if wrong(n))})
    given = ibis.memtable(pa.Table.from_pylist([answer(n) for n in range(ANSWERS)], INFERENCE_SCHEMA))
    labeled = ibis.memtable(pa.Table.from_pylist([verdict(n) for n in seen], LABELED_SCHEMA))

    [found] = audits(book, labeled, given)
    naive = sum(map(wrong, seen)) / len(seen)

    assert (found["sampled"], found["judged"], found["share"]) == (len(sampled), len(sampled), 0.2)
    assert found["low"] < 0.1 < found["high"] and abs(found["error_rate"] - 0.1) < 0.03
    assert naive > found["high"]


def test_an_audit_counts_while_it_is_in_force() -> None:
    """Answers before and after it are nobody's; what is not judged yet has no rate; other policies are no audits."""
    audit = ReviewPolicy(policy_id="audit", reason="random_audit", share=0.5)
    doubt = ReviewPolicy(policy_id="doubt", reason="low_confidence")
    book = {1: [PlacedPolicy(audit, 1, 10, 20), PlacedPolicy(doubt, 1, 0)]}
    given = ibis.memtable(pa.Table.from_pylist([answer(n) for n in range(40)], INFERENCE_SCHEMA))
    none = ibis.memtable(pa.Table.from_pylist([], LABELED_SCHEMA))

    [found] = audits(book, none, given)

    assert found["sampled"] == sum(audit.samples(f"i-{n}") for n in range(10, 20))
    assert (found["judged"], found["error_rate"], found["low"], found["high"]) == (0, None, 0, 1)
