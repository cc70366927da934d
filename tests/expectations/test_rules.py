"""Each rule against rows that keep it and rows that break it; no Great Expectations needed to set a row aside."""

from datetime import timedelta
from typing import Any

import pytest

from expectations.rules import RowRule, collect
from tests.expectations.rows import NOON, broken, feedback, inference

RETRACTION = {"feedback_type": "retraction", "is_retraction": True, "label": None}


def test_plain_feedback_breaks_nothing() -> None:
    """What an ordinary client sends is not set aside."""
    rows = [feedback(n) for n in range(5)]

    assert broken(rows, [inference(n) for n in range(5)]) == {f"f{n}": [] for n in range(5)}


@pytest.mark.parametrize(
    ("rule", "rows", "set_aside"),
    [
        ("label_is_known", [feedback(1, label='"banana"')], ["f1"]),
        ("label_is_known", [feedback(1, label='["a","b"]')], []),
        ("label_is_known", [feedback(1, label=None)], []),
        ("label_is_known", [feedback(1, label='"new"', feedback_type="ground_truth")], []),
        (
            "label_is_known",
            [feedback(1, label='"new"'), feedback(2, label='"new"', feedback_type="ground_truth")],
            [],
        ),
        ("label_is_known", [feedback(9, label='"banana"')], []),  # whose model is not known yet
        ("label_is_known", [feedback(9, label='"banana"', model_name="m")], ["f9"]),
        ("label_is_known", [feedback(1, label='"a"', model_name="other", inference_request_id="r9")], ["f1"]),
        (
            "one_vote_per_user",
            [feedback(1), feedback(2, inference_request_id="r1", user_ref="u1")],
            ["f1"],
        ),
        ("one_vote_per_user", [feedback(1), feedback(2, inference_request_id="r1")], []),
        (
            "one_vote_per_user",
            [feedback(1), feedback(2, inference_request_id="r1", user_ref="u1", feedback_type="explicit_rating")],
            [],
        ),
        (
            "one_vote_per_user",
            [feedback(1), feedback(2, inference_request_id="r1", user_ref="u1", target_feedback_id="f1")],
            [],
        ),
        (
            "one_vote_per_user",
            [feedback(n, inference_request_id="r1", user_ref=None) for n in (1, 2)],
            [],
        ),
        (
            "one_vote_per_user",
            [feedback(n, inference_request_id="r1", user_ref="w", source_kind="reviewer") for n in (1, 2)],
            [],
        ),
        ("feedback_after_inference", [feedback(1, occurred_at=NOON - timedelta(seconds=61))], ["f1"]),
        ("feedback_after_inference", [feedback(1, occurred_at=NOON - timedelta(seconds=59))], []),
        ("feedback_after_inference", [feedback(9, occurred_at=NOON - timedelta(days=9))], []),
        ("compared_outputs_exist", [feedback(1, preferred="A", rejected="B", label=None)], []),
        ("compared_outputs_exist", [feedback(1, preferred="A", rejected="C", label=None)], ["f1"]),
        ("compared_outputs_exist", [feedback(1, preferred="C", label=None)], ["f1"]),
        ("compared_outputs_exist", [feedback(9, preferred="C", label=None)], []),
        ("undone_feedback_exists", [feedback(1), feedback(2, target_feedback_id="f1", **RETRACTION)], []),
        ("undone_feedback_exists", [feedback(2, target_feedback_id="f7", **RETRACTION)], ["f2"]),
    ],
)
def test_a_rule_sets_aside_what_breaks_it_and_nothing_else(
    rule: str, rows: list[dict[str, Any]], set_aside: list[str]
) -> None:
    """Each rule, on rows just inside and just outside of it."""
    found = broken(rows, [inference(n) for n in (1, 2)])

    assert [name for name, rules in found.items() if rule in rules] == set_aside


def test_what_is_undone_may_be_of_another_day() -> None:
    """A retraction finds its target in the history."""
    later = feedback(2, target_feedback_id="f1", received_at=NOON + timedelta(days=3), **RETRACTION)

    assert broken([later], [inference(1), inference(2)], earlier=[feedback(1)]) == {"f2": []}


def test_a_user_who_is_too_fast_is_set_aside_for_that_minute() -> None:
    """The 121st feedback of a minute condemns the minute, the next minute is judged anew; reviewers may be fast."""
    fast = [feedback(n, user_ref="bot", inference_request_id=f"r{n}") for n in range(121)]
    after = feedback(200, user_ref="bot", occurred_at=NOON + timedelta(minutes=1))
    reviewer = [feedback(300 + n, user_ref="r", source_kind="reviewer") for n in range(121)]

    found = broken([*fast, after, *reviewer], [])

    assert {name for name, rules in found.items() if rules} == {f"f{n}" for n in range(121)}


def test_no_row_is_judged_by_another_projects_rows() -> None:
    """Labels, votes and targets of one project mean nothing in another."""
    rows = [
        feedback(1),
        feedback(2, project_id=2, user_ref="u1", inference_request_id="r1", target_feedback_id="f1", label='"b"'),
        feedback(3, project_id=2, model_name="m"),
    ]

    found = broken(rows, [inference(1)])

    assert found == {"f1": [], "f2": ["undone_feedback_exists"], "f3": ["label_is_known"]}


def test_every_rule_says_what_it_is() -> None:
    """A rule has a name like its file, a sentence, and a column of its own or of the evidence; a row rule a bound."""
    for name, rule in collect().items():
        assert rule.__module__ == f"expectations.rules.{name}"
        assert rule.description.endswith(".") or rule.description.endswith(")")
        if issubclass(rule, RowRule):
            assert (rule.minimum, rule.maximum) != (None, None)
            assert 0.5 < rule.mostly <= 1
