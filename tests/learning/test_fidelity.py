"""Fidelity: each part says what it is to say, and what has become worse is told by name and once."""

import random
from datetime import timedelta
from typing import Any

import pytest

from feedback_loop.learning.fidelity import DEGRADED, RESTORED, Fidelity, fidelities, to_tell
from feedback_loop.learning.segments import Admitted
from tests.learning.worlds import NOON

TIERS = Admitted([(1, "tier", "pro"), (1, "tier", "free")])


def row(n: int, kind: str, label: str | None, **more: Any) -> dict[str, Any]:
    """One feedback about an inference of its own, said at once."""
    return {
        "log_offset": n,
        "inference_request_id": f"r{n // 2}",
        "source_kind": "end_user" if kind != "ground_truth" else "system",
        "metric": "accuracy",
        "feedback_type": kind,
        "state": "attributed",
        "is_undone": False,
        "is_retraction": False,
        "label": label,
        "preferred": None,
        "reward": None,
        "answer_label": '"a"',
        "segments": None,
        "asked_segments": '{"tier":"pro"}',
        "occurred_at": NOON,
        "asked_at": NOON,
    } | more


def crowd(count: int, right: float, seed: int = 1, start: int = 0, **more: Any) -> list[dict[str, Any]]:
    """So many labels of users, each with the truth; a share of them is right."""
    chance, rows = random.Random(seed), []
    for n in range(start, start + count):
        truth = chance.choice(['"a"', '"b"'])
        said = truth if chance.random() < right else '"c"'
        rows += [row(2 * n, "explicit_label", said, **more), row(2 * n + 1, "ground_truth", truth)]
    return rows


def of_users(rows: list[dict[str, Any]], segment: str = "") -> Fidelity:
    """What users' labels are worth."""
    [found] = [each for each in fidelities(1, rows, TIERS) if (each.source, each.segment) == ("end_user", segment)]
    return found


def test_each_part_says_what_it_is() -> None:
    """Agreement, attribution, freshness and information, by segment, with how many they rest on."""
    rows = crowd(200, 0.8)
    late = [each | {"occurred_at": NOON + timedelta(days=1)} for each in rows]
    alike = [each | {"label": '"a"'} if each["source_kind"] == "end_user" else each for each in rows]
    lost = [each | {"state": "mismatched"} if each["log_offset"] % 8 == 0 else each for each in rows]

    whole = of_users(rows).parts
    assert whole["agreement"].value == pytest.approx(0.8, abs=0.07) and whole["agreement"].told_by == 200
    assert whole["agreement"].low < 0.8 < whole["agreement"].high
    assert (whole["attribution"].value, whole["timeliness"].value) == (1, 1) and whole["informativeness"].value > 0.8
    assert of_users(late).parts["timeliness"].value == pytest.approx(0.5)
    assert of_users(alike).parts["informativeness"].value == 0 and of_users(alike).score < 0.1
    assert of_users(lost).parts["attribution"].value == pytest.approx(0.75)
    assert of_users(late).score < of_users(rows).score > of_users(lost).score
    assert of_users(rows, "tier=pro") == of_users(rows)._replace(segment="tier=pro")
    assert fidelities(1, rows[:80], TIERS) == []


def test_a_source_that_becomes_worse_is_told_and_told_once() -> None:
    """From nine of ten right to six of ten: told with the figures; noise alone tells nothing."""
    worse = of_users(crowd(150, 0.9) + crowd(150, 0.6, start=150))
    steady = [of_users(crowd(300, 0.8, seed)) for seed in range(20)]

    assert worse.worse is not None and "agreement fell from 0.9" in worse.worse
    assert all(each.worse is None for each in steady)
    assert to_tell(worse, None) == DEGRADED and to_tell(worse, DEGRADED) is None
    assert to_tell(steady[0], DEGRADED) == RESTORED and to_tell(steady[0], None) is None


def test_a_thumb_agrees_where_the_answer_was_right() -> None:
    """And what is undone, shown, or said by the truth itself is not compared."""
    rows = []
    for n in range(60):
        rows += [
            row(2 * n, "explicit_binary", None, reward=1.0 if n % 4 else 0.0),
            row(2 * n + 1, "ground_truth", '"a"'),
        ]
    found = fidelities(1, rows, TIERS)

    assert {each.source: each.parts.get("agreement") and each.parts["agreement"].value for each in found} == {
        "end_user": 0.75,
        "system": None,
    }
