"""What Great Expectations says of measured rows, and that it agrees with the quarantine."""

from datetime import timedelta
from typing import Any

import pytest

from expectations.rules import collect
from expectations.rules.label_is_known import LabelIsKnown
from expectations.rules.user_volume_is_human import UserVolumeIsHuman
from expectations.validation import RuleResult, measured, references, validate
from tests.expectations.rows import NOON, evidence, feedback, inference


def _results(
    rows: list[dict[str, Any]], inferences: list[dict[str, Any]], earlier: Any = None
) -> dict[str, RuleResult]:
    given = evidence(rows, inferences, earlier)
    return {result.name: result for result in validate(measured(given).to_pyarrow(), references(given))}


def test_plain_feedback_keeps_every_rule() -> None:
    """Every rule has a result, and every one is green."""
    found = _results([feedback(n) for n in range(20)], [inference(n) for n in range(20)])

    assert list(found) == list(collect())
    assert all(result.success for result in found.values())
    assert found["label_is_known"].applies == 20


def test_a_day_without_feedback_keeps_every_rule() -> None:
    """No rows, nothing broken."""
    found = _results([], [inference(1)])

    assert all(result.success and result.unexpected == 0 for result in found.values())


@pytest.mark.parametrize(("spam", "success"), [(1, True), (3, False)])
def test_a_check_is_red_when_too_much_is_broken(spam: int, success: bool) -> None:
    """One row of forty is set aside and told; three are more than a twentieth, and the check is red."""
    rows = [feedback(n, label='"banana"' if n < spam else '"a"') for n in range(40)]

    found = _results(rows, [inference(n) for n in range(40)])["label_is_known"]

    assert (found.unexpected, found.applies, found.success) == (spam, 40, success)


def test_a_mutated_bound_turns_its_check_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may give more than no feedback at all: every row fails, and this check alone is red."""
    monkeypatch.setattr(UserVolumeIsHuman, "maximum", 0)

    found = _results([feedback(n) for n in range(20)], [inference(n) for n in range(20)])

    assert [name for name, result in found.items() if not result.success] == ["user_volume_is_human"]


def test_an_expectation_that_disagrees_with_the_quarantine_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Great Expectations asked for something else than the mask sets aside: the check says so."""
    import great_expectations.expectations as gxe

    def other(self: LabelIsKnown, reference: Any) -> Any:
        return gxe.ExpectColumnValuesToBeBetween(column=self.column, min_value=10_000, mostly=0)

    monkeypatch.setattr(LabelIsKnown, "expectation", other)

    found = _results([feedback(n) for n in range(20)], [inference(n) for n in range(20)])["label_is_known"]

    assert not found.success
    assert "mend the rule" in found.note


def test_feedback_without_inferences_is_noticed() -> None:
    """A client that logs no inferences turns a check red, and no row is set aside for it."""
    found = _results([feedback(n) for n in range(20)], [inference(n) for n in range(10)])

    assert not found["inferences_are_known"].success
    assert found["label_is_known"].unexpected == 0


def test_a_day_with_far_too_much_is_noticed() -> None:
    """From the fourth day on a day has at most ten times the median of the days before."""
    earlier = [feedback(n, received_at=NOON - timedelta(days=1 + n % 3)) for n in range(6)]
    usual = [feedback(100 + n) for n in range(20)]
    flood = [feedback(100 + n) for n in range(21)]

    assert _results(usual, [], earlier[:2])["volume_is_plausible"].note == "nothing to compare with yet"
    assert _results(usual, [], earlier)["volume_is_plausible"].success
    assert not _results(flood, [], earlier)["volume_is_plausible"].success


def test_labels_that_turn_over_are_noticed() -> None:
    """The labels of a day are compared with the earlier days', once there are two hundred on both sides."""
    earlier = [feedback(n, label='"a"' if n % 2 else '"b"', received_at=NOON - timedelta(days=1)) for n in range(300)]
    alike = [feedback(1000 + n, label='"a"' if n % 2 else '"b"') for n in range(300)]
    other = [feedback(1000 + n, label='"a"' if n % 50 else '"b"') for n in range(300)]
    unseen = [feedback(1000 + n, label='"c"') for n in range(300)]

    assert _results(alike, [], earlier)["label_shares_hold"].success
    assert not _results(other, [], earlier)["label_shares_hold"].success
    assert not _results(unseen, [], earlier)["label_shares_hold"].success
    assert _results(other[:199], [], earlier)["label_shares_hold"].note == "nothing to compare with yet"
