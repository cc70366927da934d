"""Promotion: better where it matters now, not forgetful, judged on equal rows."""

import pytest

from feedback_loop.learning.gate_checks import Finding
from feedback_loop.learning.promotion import Evaluation, decide, evaluate, golden_rows
from feedback_loop.learning.rows import feedback_row, inference_row
from tests.learning.worlds import answered, at, feedback_table, found, given, inference_table, labels_of


def _model(version, correct, recent_correct, rows=400, recent_rows=100, digest="d"):
    return Evaluation(version, rows, correct, recent_rows, recent_correct, digest)


def test_a_better_candidate_is_promoted_with_its_figures():
    """Better on the recent rows and no worse over all: promoted, and the reasons say by how much."""
    verdict = decide(_model("new", 380, 95), _model("old", 350, 60))

    assert verdict.promote
    assert verdict.reasons[0] == "recent accuracy 0.950 against 0.600 over 100 golden rows"


@pytest.mark.parametrize(
    ("candidate", "champion", "why"),
    [
        (_model("new", 350, 60), _model("old", 350, 60), "not better"),
        (_model("new", 390, 59), _model("old", 350, 60), "not better"),
        (_model("new", 300, 90), _model("old", 350, 60), "forgets"),
        (_model("new", 29, 29, rows=29, recent_rows=29), _model("old", 0, 0, rows=29, recent_rows=29), "29 of 30"),
        (_model("new", 400, 100), _model("old", 0, 0, digest="other"), "not asked the same rows"),
    ],
)
def test_otherwise_the_champion_stays(candidate, champion, why):
    """A tie, a loss, forgetting, too few rows and unequal rows each keep the champion, with a reason."""
    verdict = decide(candidate, champion)

    assert not verdict.promote
    assert any(why in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("candidate", "champion", "outcome", "may"),
    [
        (_model("new", 350, 60), _model("old", 350, 60), "passed", True),
        (_model("new", 29, 29, rows=29, recent_rows=29), _model("old", 0, 0, rows=29, recent_rows=29), "passed", True),
        (_model("new", 350, 60), _model("old", 350, 60), "failed", False),
        (_model("new", 390, 59), _model("old", 350, 60), "passed", False),
        (_model("new", 300, 60), _model("old", 350, 60), "passed", False),
    ],
)
def test_what_nothing_speaks_against_may_answer_in_the_shadow(candidate, champion, outcome, may):
    """A tie or too few rows; not where a check failed, nor one that is worse or forgets."""
    verdict = decide(candidate, champion, [Finding("latency_budget", outcome, "why")])

    assert (verdict.promote, verdict.shadow) == (False, may)


def test_a_margin_asks_for_more():
    """With a margin a small gain is not enough."""
    candidate, champion = _model("new", 380, 62), _model("old", 350, 60)

    assert decide(candidate, champion).promote
    assert not decide(candidate, champion, margin=0.02).promote


def test_an_evaluation_counts_right_answers():
    """Labels are compared with their types; no answer is a wrong one; the newest rows are the recent ones."""
    golden = [{"feedback_offset": 9 - n, "label": "3"} for n in range(4)]

    seen = evaluate("v1", golden, ["3", '"3"', None, "3"], recent=2)

    assert (seen.rows, seen.correct, seen.recent_rows, seen.recent_correct) == (4, 2, 2, 1)
    assert seen.accuracy == 0.5
    assert seen.row_digest == evaluate("v2", golden, [None] * 4).row_digest
    assert seen.row_digest != evaluate("v2", golden[1:], [None] * 3).row_digest


def test_golden_rows_are_the_newest_of_the_model():
    """The holdout of this model, newest first."""
    feedback = feedback_table(
        feedback_row(at(given("ground_truth", {"label": 1}, f"f{n}", inference_request_id=f"r{n}"), 100 + n))
        for n in range(50)
    )
    inferences = inference_table(inference_row(at(answered(0, f"r{n}"), n)) for n in range(50))

    rows = found(golden_rows(labels_of(feedback, inferences), 1, "default", limit=5))

    offsets = [row["feedback_offset"] for row in rows]
    assert len(rows) == 5
    assert all(row["is_golden"] for row in rows)
    assert offsets == sorted(offsets, reverse=True)
