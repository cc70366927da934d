"""Accuracy over a stream: every answer is judged once, by the first label told, in its own tenth."""

from datetime import UTC, datetime

import pytest

from feedback_cli.demo.online_forest import online_forest
from feedback_cli.demo.prequential import Prequential, answered_label, told_label
from feedback_cli.demo.recording import Recorded, Recording


def test_loop_and_frozen_model_are_judged_on_the_same_records() -> None:
    """Twenty records, labels told in the other order: ten tenths of two, and both accuracies over all."""
    score = Prequential()
    score.expect(20)
    for n in range(20):
        score.answered(f"i{n}", loop="a", frozen="a" if n < 5 else "b")

    for n in reversed(range(20)):
        score.told(f"i{n}", "a")

    assert [tenth["judged"] for tenth in score.tenths()] == [2] * 10
    assert score.tenths()[2] == {"tenth": 3, "judged": 2, "loop": 1.0, "frozen": 0.5}
    assert score.overall() == {"judged": 20, "loop": 1.0, "frozen": 0.25}


def test_a_label_told_before_the_answer_counts() -> None:
    """Feedback may come before its inference."""
    score = Prequential()
    score.expect(1)

    score.told("i1", "a")
    score.answered("i1", loop="a", frozen="b")

    assert score.overall() == {"judged": 1, "loop": 1.0, "frozen": 0.0}


def test_the_first_label_told_stays() -> None:
    """A second label does not judge again."""
    score = Prequential()
    score.answered("i1", loop="a", frozen="a")

    score.told("i1", "a")
    score.told("i1", "b")

    assert score.overall()["loop"] == 1.0


def test_labels_of_other_types_are_other_labels() -> None:
    """3 is neither "3" nor True-like."""
    score = Prequential()
    score.answered("i1", loop=1, frozen="1")

    score.told("i1", True)

    assert score.overall() == {"judged": 1, "loop": 0.0, "frozen": 0.0}


def test_labels_are_read_as_the_contract_says() -> None:
    """A classifier's answer is the content or its label; thumbs tell no label."""
    as_content = {"outputs": [{"output_id": "A", "content": "UP"}]}
    chosen = {
        "outputs": [{"output_id": "A", "content": "UP"}, {"output_id": "B", "content": {"label": "DOWN"}}],
        "chosen_output_id": "B",
    }

    assert answered_label(as_content) == "UP"
    assert answered_label(chosen) == "DOWN"
    assert answered_label({"outputs": [{"output_id": "A", "content": {"text": "hello"}}]}) is None
    assert told_label({"feedback_type": "explicit_correction", "feedback_value": {"corrected_label": "7"}}) == "7"
    assert told_label({"feedback_type": "explicit_binary", "feedback_value": {"positive": True}}) is None


def test_kappa_temporal_is_measured_against_the_label_before() -> None:
    """Six labels of which three in five last: .8 right is half of the way from there to always right."""
    score = Prequential()
    labels = ["a", "a", "b", "b", "b", "a"]
    for n, label in enumerate(labels):
        score.answered(str(n), loop=label if n else "b", frozen=label)
        score.told(str(n), label)

    lasting = 3 / 5
    assert score.kappa_temporal()["frozen"] == 1.0
    assert score.kappa_temporal()["loop"] == pytest.approx((5 / 6 - lasting) / (1 - lasting), abs=1e-3)
    assert Prequential().kappa_temporal() == {"loop": None, "frozen": None}


def test_the_forest_learns_each_label_as_it_came() -> None:
    """What it is told after an answer it knows at the next one; before any label it says what was said then."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    events = []
    for n in range(60):
        name, label = f"r{n}", "a" if n % 2 else "b"
        inference = {"inference_request_id": name, "inputs": {"x": n % 2}, "outputs": [{"content": "a"}]}
        told = {"inference_request_id": name, "feedback_type": "ground_truth", "feedback_value": {"label": label}}
        events += [Recorded(moment, "inference", inference), Recorded(moment, "feedback", told)]

    found = online_forest(Recording(events, 60, "v1", None)).overall()

    assert found["frozen"] == 0.5
    assert found["loop"] > 0.8
