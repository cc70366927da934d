"""Review policies: what may be said, whom they take, and what an active learner has people look at."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson
import pytest

from feedback_loop.learning.active_learning import chosen
from feedback_loop.learning.review_policies import (
    STANDARD,
    PolicyDefinition,
    ReviewPolicy,
    policies_of,
)
from feedback_loop.learning.review_reasons import Item
from feedback_loop.learning.reviewing import rank_of, urgency

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def policy(**told: Any) -> ReviewPolicy:
    """A policy as JSON says it."""
    return msgspec.convert({"policy_id": "p", "reason": "low_confidence", **told}, ReviewPolicy)


def answer(name: str = "i", confidence: float | None = 0.5, inputs: Any = None, **told: Any) -> dict[str, Any]:
    """A row of INFERENCE_SCHEMA, as far as it matters here."""
    row = {"inference_request_id": name, "model_name": "m", "segments": None, "confidence": confidence}
    row |= {"received_at": NOON, "occurred_at": NOON, "inputs": orjson.dumps(inputs).decode()}
    return row | told


@pytest.mark.parametrize(
    ("told", "pointer"),
    [
        ({"reason": "whim"}, "/reason"),
        ({"threshold": 2}, "/threshold"),
        ({"reason": "segment"}, "/segments"),
        ({"reason": "segment", "segments": {"tier": "gold"}, "threshold": 1}, "/threshold"),
        ({"reason": "random_audit"}, "/share"),
        ({"reason": "random_audit", "share": 0.1, "per_day": 5}, "/per_day"),
        ({"batch": 5}, "/batch"),
        ({"reason": "active_learning"}, "/occasions"),
        ({"reason": "active_learning", "occasions": ["new_day", "new_day"]}, "/occasions"),
        ({"reason": "active_learning", "occasions": ["new_day"], "share": 0.5}, "/share"),
    ],
)
def test_what_cannot_be_a_policy_is_named(told: dict[str, Any], pointer: str) -> None:
    """The field that is wrong, beyond the shape."""
    assert [fault.pointer for fault in policy(**told).faults()] == [pointer]


def test_a_policy_takes_its_share_of_its_own() -> None:
    """By model, by segments of the inference, and by a hash that says the same for ever; imports are nobody's."""
    mine = policy(model_name="m", segments={"tier": "gold"})
    told = {"confidence": 0.2}
    gold = answer(segments='{"tier":"gold"}')

    assert mine.why(Item(gold, told)) == "policy p: low_confidence: 0.2 is below 0.6"
    for other in (answer(), gold | {"model_name": "n"}, gold | {"occurred_at": NOON - timedelta(days=2)}):
        assert mine.why(Item(other, told)) is None
    audit = policy(reason="random_audit", share=0.1)
    taken = [name for n in range(10_000) if audit.samples(name := f"i-{n}")]
    assert 900 < len(taken) < 1_100 and taken[:3] == ["i-12", "i-29", "i-34"]


def test_a_policy_counts_from_its_place_to_the_next() -> None:
    """What is defined anew or taken back ends there, the default one too; who says nothing has the default."""
    first, second = policy(), policy(threshold=0.9)
    said = [PolicyDefinition(1, "p", 5, 1, first), PolicyDefinition(1, "p", 9, 2, second)]
    said += [PolicyDefinition(1, "safety", 7, 1, None), PolicyDefinition(1, "p", 12, 3, None)]
    book = policies_of(said)

    assert 2 not in book and [each.policy.policy_id for each in STANDARD] == ["safety"]
    in_force = {n: [(each.policy.policy_id, each.version) for each in book[1] if each.counts_at(n)] for n in (5, 7, 10)}
    assert in_force == {5: [("safety", 0)], 7: [("safety", 0), ("p", 1)], 10: [("p", 2)]}
    assert [each for each in book[1] if each.upto is None] == []


def test_urgency_is_severity_then_doubt_and_waiting_counts() -> None:
    """A report of harm comes before any doubt; after enough minutes what is not urgent has its turn."""
    assert urgency(4, 1, 0.0) == 1_000 and urgency(1, 0, 1.0) > urgency(0, 1, 0.01) > urgency(0, 0, None) == 0
    assert rank_of(100, NOON) < rank_of(0, NOON) == rank_of(100, NOON + timedelta(minutes=100))


def test_an_active_learner_looks_for_doubt_that_differs() -> None:
    """Of forty copies of the most doubtful one is enough; by doubt alone, as planted, there are only copies."""
    copies = [answer(f"c{n}", 0.3, {"text": "where is my parcel"}) for n in range(40)]
    others = [answer("o0", 0.5, {"text": "refund the money"}), answer("o1", 0.6, {"text": "new password please"})]
    sure = [answer("s", 0.99, {"text": "thanks a lot"})]
    pool = copies + others + sure

    found = [pool[place]["inference_request_id"] for place in chosen(pool, 4)]
    by_doubt = sorted(pool, key=lambda row: row["confidence"])[:4]

    assert found == ["c0", "o0", "o1", "s"]
    assert {row["inference_request_id"][0] for row in by_doubt} == {"c"}


def test_an_active_learner_compares_numbers_as_numbers() -> None:
    """Where all inputs are equally many numbers, the far one is unlike; without any answer there is nothing."""
    near = [answer(f"n{n}", 0.5, {"x": [1.0, 1.0 + n / 1_000]}) for n in range(5)]
    pool = [*near, answer("far", 0.6, {"x": [-9.0, -9.0]})]

    assert [pool[place]["inference_request_id"] for place in chosen(pool, 2)][1] == "far"
    assert chosen([], 3) == [] and len(chosen(pool, 10)) <= len(pool)
