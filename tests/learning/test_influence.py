"""Bounded influence: one meaning in the function and the expression, and attacks that stay within the stated bound."""

from datetime import timedelta
from math import inf
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from feedback_loop.learning import influence
from feedback_loop.learning.schemas import ATTRIBUTED_SCHEMA, LABELED_SCHEMA
from tests.learning.worlds import NOON, engine

VOTES = st.fixed_dictionaries(
    {
        "model_name": st.sampled_from(["m", "m", "n"]),
        "source_kind": st.sampled_from(["end_user", "end_user", "end_user", "reviewer"]),
        "user_ref": st.sampled_from([None, "p_ann", "p_bob", "p_cat"]),
        "session_id": st.sampled_from([None, "s1"]),
        "inference_request_id": st.integers(0, 40).map(lambda n: f"r{n}"),
        "feedback_type": st.sampled_from(["explicit_binary", "explicit_rating"]),
        "received_at": st.integers(0, 1).map(lambda days: NOON + timedelta(days=days)),
        "pass_probability": st.sampled_from([1.0, 1.0, 0.5, 1e-6]),
    }
)
LABELS = st.fixed_dictionaries(
    {
        "source_kind": st.sampled_from(["end_user", "end_user", "end_user", "system"]),
        "user_ref": st.sampled_from([None, "p_ann", "p_ann", "p_ann", "p_bob", "p_cat"]),
        "session_id": st.sampled_from([None, "s1"]),
    }
)


def placed(rows: list[dict[str, Any]], column: str = "log_offset") -> list[dict[str, Any]]:
    """The rows at the offsets of their order."""
    return [row | {column: place + 1} for place, row in enumerate(rows)]


@settings(max_examples=6, deadline=None)
@given_any(told=st.lists(VOTES, min_size=1, max_size=80))
def test_votes_weigh_the_same_row_by_row_and_at_once(told: list[dict[str, Any]]) -> None:
    """Each model apart, whatever was sent; and so do the means that follow."""
    settled = {"project_id": 1, "state": "attributed", "is_undone": False, "is_retraction": False}
    rows = [row | settled | {"reward": float(row["log_offset"] % 3 > 0)} for row in placed(told)]
    table = ibis.memtable(pa.Table.from_pylist(rows, ATTRIBUTED_SCHEMA))
    at_once = engine().to_pyarrow(influence.weighted(table, ["model_name"])).to_pylist()

    expected = {}
    for name in ("m", "n"):
        mine = [row for row in rows if row["model_name"] == name]
        expected |= {row["log_offset"]: weight for row, weight in zip(mine, influence.weights(mine), strict=True)}
    assert {row["log_offset"]: row["weight"] for row in at_once} == pytest.approx(expected)
    for (_, name), mean_at_once in influence.likings(table).items():
        assert mean_at_once == pytest.approx(influence.liking(row for row in rows if row["model_name"] == name))


@settings(max_examples=6, deadline=None)
@given_any(told=st.lists(LABELS, min_size=1, max_size=150), most=st.integers(1, 160))
def test_the_same_rows_are_kept_row_by_row_and_at_once(told: list[dict[str, Any]], most: int) -> None:
    """In the order of the log, and nobody beyond their part of what is kept."""
    rows = placed(told, "feedback_offset")
    table = ibis.memtable(pa.Table.from_pylist(rows, LABELED_SCHEMA))
    at_once = engine().to_pyarrow(influence.kept_rows(table, most)).to_pylist()

    kept = influence.kept(rows, most)

    assert [row["feedback_offset"] for row in at_once] == [row["feedback_offset"] for row in kept]
    assert len(kept) <= most
    held = [influence.actor_of(row) for row in kept]
    actors = {name for name in held if name is not None}
    bound = max(influence.share_cap(len(actors)) * len(kept), 1)
    assert all(held.count(name) <= min(bound, influence.MOST_ROWS) for name in actors)


def vote(user: str | None, request: str, good: bool, offset: int, **more: Any) -> dict[str, Any]:
    """One thumb."""
    return {
        "source_kind": "end_user",
        "user_ref": user,
        "session_id": None,
        "inference_request_id": request,
        "feedback_type": "explicit_binary",
        "received_at": NOON,
        "pass_probability": 1.0,
        "log_offset": offset,
        "reward": float(good),
    } | more


def honest(count: int) -> list[dict[str, Any]]:
    """So many thumbs of people who vote five times each, four of five up."""
    return [vote(f"p_{n // 5}", f"r{n}", n % 5 > 0, n + 1) for n in range(count)]


def attack(actors: int, votes: int, start: int, **more: Any) -> list[dict[str, Any]]:
    """So many thumbs down, of inferences of their own, spread over the attackers."""
    return [vote(f"evil_{n % actors}", f"e{n}", False, start + n, **more) for n in range(votes)]


def mean(rows: list[dict[str, Any]]) -> float:
    """The mean reward, each vote by its weight."""
    found = influence.weights(rows)
    return sum(weight * row["reward"] for weight, row in zip(found, rows, strict=True)) / sum(found)


@pytest.mark.parametrize(("actors", "claim"), [(1, 1.0), (1, 1e-9), (10, 1.0)])
def test_ten_thousand_spam_votes_move_a_metric_by_less_than_half_a_percent(actors: int, claim: float) -> None:
    """One person's, or ten people's, among fifty thousand honest ones; a claim to be sampled gains little."""
    crowd = honest(50_000)

    moved = abs(mean(crowd + attack(actors, 10_000, 60_000, pass_probability=claim)) - mean(crowd))

    assert moved < 0.005


def test_without_limits_the_attack_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: a day without an end, and shares without a cap, and the metric moves by a tenth."""
    monkeypatch.setattr(influence, "day_weight", float)
    monkeypatch.setattr(influence, "MOST_A_DAY", 1_000_000)
    monkeypatch.setattr(influence, "share_cap", lambda _: 1.0)
    crowd = honest(50_000)

    assert abs(mean(crowd + attack(1, 10_000, 60_000)) - mean(crowd)) > 0.1


@pytest.mark.parametrize("colluding", [1, 5, 20])
@pytest.mark.parametrize("crowd", [40, 400, 2_000])
def test_colluding_people_stay_within_the_bound(colluding: int, crowd: int) -> None:
    """k of n people have at most k parts of max(1 %, 2/n), and at most k days' votes, however much they send."""
    people = honest(crowd * 5)
    rows = people + [
        one | {"received_at": NOON + timedelta(days=day), "log_offset": 100_000 + day * 1_000 + place}
        for day in range(3)
        for place, one in enumerate(attack(colluding, 40 * colluding, 0))
    ]
    for place, row in enumerate(rows[len(people) :]):
        row["inference_request_id"] = f"e{place}"

    found = influence.weights(rows)

    evil = sum(weight for weight, row in zip(found, rows, strict=True) if row["user_ref"].startswith("evil"))
    by_share = colluding * influence.share_cap(crowd + colluding)
    by_days = colluding * 3 * influence.day_weight(40) / (5 * crowd)
    assert evil / sum(found) <= min(by_share, by_days) + 1e-9


def test_only_the_last_vote_on_an_inference_counts() -> None:
    """Who changes their mind has one vote; another type of feedback is another question; reviewers are no voters."""
    rows = [
        vote("p_ann", "r1", True, 1),
        vote("p_ann", "r1", False, 2),
        vote("p_ann", "r1", True, 3, feedback_type="explicit_rating"),
        vote("p_ann", "r1", True, 4, source_kind="reviewer"),
        vote(None, "r1", True, 5),
    ]

    assert influence.weights(rows) == [0, 1, 1, 1, 1]


def test_a_day_has_an_end() -> None:
    """Five votes count five; twenty count ten, and so do a thousand."""
    assert [influence.day_weight(votes) for votes in (1, 5, 20, 1_000)] == [1, 5, 10, 10]


def label(user: str | None, offset: int) -> dict[str, Any]:
    """A labelled row."""
    return {"source_kind": "end_user", "user_ref": user, "session_id": None, "feedback_offset": offset}


def test_one_person_cannot_fill_a_dataset() -> None:
    """Ten thousand labels of one person among honest ones: fifty rows and one percent at most, no honest row lost."""
    crowd = [label(f"p_{n}", n) for n in range(20_000)]
    flood = [label("evil", 20_000 + n) for n in range(10_000)]

    kept = influence.kept(crowd + flood, 5_000)

    evil = sum(row["user_ref"] == "evil" for row in kept)
    assert 0 < evil <= min(influence.MOST_ROWS, 0.01 * len(kept))
    assert len(kept) == 4_950 + evil


def test_labels_of_nobody_in_particular_are_all_kept() -> None:
    """An application that names no users has no voters; few people who label much are not cut to the least of them."""
    nobody = [label(None, n) for n in range(500)]
    few = [label("p_a", 1), *(label("p_b", n) for n in range(2, 42)), *(label("p_c", n) for n in range(42, 82))]

    assert len(influence.kept(nobody, 5_000)) == 500
    assert len(influence.kept(few, 5_000)) == 81
    assert influence.level([], 3) == inf
