"""Queues in the words of Ground Truth, and its answers in ours."""

import json

import pytest

from feedback_loop.learning.ground_truth import categories_of, consolidated, form_of, manifest_line
from feedback_loop.learning.reviewing import ReviewQueue

QUEUE = ReviewQueue(queue_id="q", options=["spam", 1, "1"], judged_in="ground_truth")


def line(**about: object) -> bytes:
    """A line of an output."""
    return json.dumps({"source": "x", "task-id": "t-1", "verdict": 0, "verdict-metadata": about}).encode()


def test_answers_are_read_as_what_they_are() -> None:
    """A class is an option, a number no text; the confidence comes with it."""
    names = [each["label"] for each in json.loads(categories_of(QUEUE))["labels"]]

    found = [consolidated(QUEUE, line(**{"class-name": name, "confidence": 0.8})) for name in names]

    assert [each and each.value["label"] for each in found] == ["spam", 1, "1"]
    assert {each and (each.task_id, each.confidence) for each in found} == {("t-1", 0.8)}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b'{"task-id": "t-1"}',
        line(**{"failure-reason": "no"}),
        line(**{"class-name": "cow", "confidence": 0.9}),
        line(**{"class-name": "spam", "confidence": 7}),
        line(**{"class-name": "spam", "confidence": None}),
        line(**{"class-name": ["spam"], "confidence": 1}),
    ],
)
def test_what_answers_nothing_is_nothing(said: bytes) -> None:
    """Whatever stands in a line, it is an option with a confidence or none."""
    assert consolidated(QUEUE, said) is None


def test_what_a_queue_cannot_be_there_is_refused() -> None:
    """It classifies among options, and asks nine at most."""
    faults = ReviewQueue(queue_id="q", overlap=10, judged_in="ground_truth").faults()

    assert [(fault.pointer, fault.code) for fault in faults] == [("/options", "required"), ("/overlap", "out-of-range")]
    assert QUEUE.faults() == []


def test_no_text_is_markup_or_liquid() -> None:
    """Guidelines are escaped in the form; what users wrote is in the manifest alone, as JSON."""
    hostile = "{{ task.input | safe }}{% raw %}<script>alert(1)</script>"
    form = form_of(ReviewQueue(queue_id="q", options=["a"], guidelines=hostile)).decode()

    assert "safe" in form and "{{ task.input |" not in form and "{%" not in form and "<script>alert" not in form
    told = manifest_line({"task_id": "t"}, {"inference": {"inputs": hostile, "outputs": []}})
    assert b"\n" not in told and json.loads(told)["source"] == hostile
