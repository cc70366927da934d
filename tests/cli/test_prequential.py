"""Accuracy over a stream: every answer is judged once, by the first label told, in its own tenth."""

from feedback_cli.demo.prequential import Prequential, answered_label, told_label


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
