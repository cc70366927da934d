"""What people judged, from the facts: a label too many is noticed, and what is said alike is alike."""

from datetime import UTC, datetime
from typing import Any

from feedback_ingest.log import LogRow
from feedback_loop.learning.review_history import labels, meant, quality, tasks, too_many

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ITEM = {"subject": "t", "queue_id": "q", "inference_request_id": "i", "reason": "r", "priority": 1, "wanted": 2}


def facts(*told: tuple[str, dict[str, Any]]) -> list[LogRow]:
    """Facts in the order of the log."""
    return [LogRow(n, 1, kind, f"f{n}", NOON, NOON, body) for n, (kind, body) in enumerate(told, 1)]


def said(reviewer: str, label: str = "cat") -> tuple[str, dict[str, Any]]:
    """A label."""
    body = {"actor": reviewer, "subject": "t", "value": {"label": label}, "answer": f'{{"label":"{label}"}}'}
    return "review_label_submitted", body


def test_a_label_too_many_is_noticed() -> None:
    """Two of two are right; a third, and a second of one reviewer, are not."""
    for people, wrong in ((("ann", "bob"), 0), (("ann", "bob", "cyd"), 1), (("ann", "ann"), 1)):
        log = facts(("review_task_opened", ITEM), *map(said, people))
        assert len(too_many(labels(log), tasks(log))) == wrong, people


def test_reviewers_are_compared_with_what_was_found() -> None:
    """By gold items and by verdicts; who only skipped has no kappa, and a task of nobody's is passed over."""
    outcome = {"method": "majority", "agreement": 0.5, "reason": "r", "value": {"label": "cat"}, "verdict": "v"}
    log = facts(
        ("review_task_opened", ITEM),
        said("ann"),
        said("bob", "dog"),
        ("review_task_skipped", {"actor": "cyd", "subject": "t", "reason": ""}),
        ("review_task_decided", {"actor": "majority", "subject": "t", "state": "decided", "outcome": outcome}),
        ("review_task_opened", {**ITEM, "subject": "g", "gold_answer": '{"label":"cat"}'}),
        ("review_label_submitted", {**said("bob")[1], "subject": "g"}),
        ("review_task_skipped", {"actor": "cyd", "subject": "nowhere", "reason": ""}),
    )

    told = {row["reviewer"]: row for row in quality(labels(log))}

    assert {name: (row["agreed"], row["judged"], row["gold_right"]) for name, row in told.items()} == {
        "ann": (1, 1, 0),
        "bob": (0, 1, 1),
        "cyd": (0, 0, 0),
    }
    assert told["cyd"]["kappa"] is None and (told["cyd"]["skips"], told["bob"]["labels"]) == (1, 2)
    assert tasks(log)[0]["state"] == "decided" and tasks(log)[0]["verdict"] == "v"


def test_what_is_said_alike_is_alike() -> None:
    """Whatever else stands beside the answer, and in which order the labels do."""
    assert meant({"label": "a", "reason_codes": ["x"]}) == meant({"label": "a"})
    assert meant({"labels": ["b", "a"]}) == meant({"labels": ["a", "b"]}) != meant({"labels": ["a"]})
    assert meant({"preferred_output_id": "A", "tie": True}) == meant({"preferred_output_id": "B", "tie": True})
