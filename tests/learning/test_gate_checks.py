"""The gate's checks: each refuses what it is there for, names it, and leaves alone what only looks like it."""

from dataclasses import replace

import pytest

from feedback_loop.learning.gate_checks import Answered, Evidence, Limits
from feedback_loop.learning.off_policy import Logged, judge
from feedback_loop.learning.promotion import Evaluation, checked, decide

BETTER = Evaluation("new", 400, 390, 100, 99, "d")
CHAMPION = Evaluation("old", 400, 350, 100, 60, "d")


def _rows(count, candidate, champion, kind="end_user", segment=None, start=0):
    """`count` rows of label "a"; a share of each side's answers is right, the first ones."""
    return [
        Answered(
            f"r-{start + n}",
            '"a"',
            '"a"' if n < candidate * count else '"b"',
            '"a"' if n < champion * count else '"b"',
            kind,
            (segment,) if segment else (),
        )
        for n in range(count)
    ]


CALM = Evidence(1_000, _rows(100, 1, 0.9) + _rows(300, 1, 0.9), 100, False, _rows(50, 0.9, 0.9), 5.0)


def _refused_for(evidence):
    findings = checked(evidence, Limits())
    verdict = decide(BETTER, CHAMPION, findings)
    failed = {each.check: each.reason for each in findings if each.outcome == "failed"}
    assert verdict.promote == (not failed)
    assert all(any(reason in told for told in verdict.reasons) for reason in failed.values())
    return failed


def test_a_good_candidate_passes_and_its_reasons_are_kept():
    """Nothing fails; what was looked at stands in the verdict's reasons."""
    assert _refused_for(CALM) == {}
    assert any(
        "past corrections right" in reason for reason in decide(BETTER, CHAMPION, checked(CALM, Limits())).reasons
    )


def test_a_model_that_fails_past_corrections_is_refused_and_they_are_named():
    """Better on the golden rows, yet wrong where people had set the champion right: refused, with the cases."""
    failed = _refused_for(replace(CALM, corrections=_rows(50, 0.2, 0.9)))

    assert list(failed) == ["past_corrections"]
    assert "35 of 50 that the champion has right, among them r-10, r-11" in failed["past_corrections"]


@pytest.mark.parametrize(("count", "candidate"), [(19, 0.0), (50, 0.84)])
def test_few_or_nearly_kept_corrections_refuse_nobody(count, candidate):
    """Below twenty cases, or with a loss within what is tolerated, they say nothing."""
    assert _refused_for(replace(CALM, corrections=_rows(count, candidate, 0.9))) == {}


def test_a_flood_of_inverted_labels_is_refused():
    """Users suddenly contradict nine of ten answers on inputs as before: the candidate that learnt it is refused."""
    flooded = replace(CALM, golden=_rows(100, 1, 0.1) + _rows(300, 0.9, 0.9))

    failed = _refused_for(flooded)

    assert list(failed) == ["label_flood"]
    assert "a flood of inverted labels: 90% of the newest 100" in failed["label_flood"]


@pytest.mark.parametrize(
    "change",
    [
        {"have_inputs_moved": True},
        {"golden": _rows(100, 1, 0.1, kind="reviewer") + _rows(300, 0.9, 0.9)},
        {"golden": _rows(100, 1, 0.6) + _rows(300, 0.9, 0.9)},
        {"golden": _rows(100, 1, 0.1) + _rows(300, 0.9, 0.2)},
    ],
)
def test_a_drift_is_no_flood(change):
    """Moved inputs, reviewers who say so, a milder fall, and a champion that never was right are learnt from."""
    flooded = replace(CALM, golden=_rows(100, 1, 0.1) + _rows(300, 0.9, 0.9))

    assert "label_flood" not in _refused_for(replace(flooded, **change))


def test_no_segment_pays_for_the_rest():
    """Better over all and clearly worse for one tier: refused, and the tier is named; a doubtful loss is not."""
    fair = _rows(200, 1, 0.5, segment="tier=pro")

    failed = _refused_for(replace(CALM, golden=fair + _rows(60, 0.5, 0.9, segment="tier=free")))

    assert list(failed) == ["fairness_floor"]
    assert "tier=free: 40% less over 60 rows" in failed["fairness_floor"]
    assert _refused_for(replace(CALM, golden=fair + _rows(60, 0.85, 0.9, segment="tier=free"))) == {}
    assert _refused_for(replace(CALM, golden=fair + _rows(20, 0.0, 0.9, segment="tier=free"))) == {}


@pytest.mark.parametrize(
    ("change", "check", "why"),
    [
        ({"latency_ms": 1_001.0}, "latency_budget", "the budget is 1000 ms"),
        ({"trained_rows": 9}, "minimum_data", "9 of at least 10 rows"),
        (
            {"off_policy": judge([Logged(1.0, 0.5, 0.0), Logged(0.2, 0.5, 1.0)] * 100)},
            "off_policy_value",
            "0.6000 were",
        ),
    ],
)
def test_other_limits_refuse_too(change, check, why):
    """Too slow, too little learnt from, and surely less earned: each is refused alone."""
    failed = _refused_for(replace(CALM, **change))

    assert list(failed) == [check]
    assert why in failed[check]


def test_without_overlap_the_estimate_is_silent():
    """A candidate that answers what was never tried is not refused for it; the check says that it cannot tell."""
    silent = replace(CALM, off_policy=judge([Logged(1.0, 0.5, 0.0)] * 100))

    [finding] = [each for each in checked(silent, Limits()) if each.check == "off_policy_value"]

    assert finding.outcome == "skipped"
    assert "no overlap" in finding.reason
