"""Queues in Label Studio's words: what can be asked is drawn, and what is answered is read as what it is."""

from datetime import UTC, datetime
from typing import Any, get_args
from xml.etree import ElementTree

import pytest

from feedback_loop.learning.label_studio import choices_of, config_of, project_of, task_of, value_of, words_of
from feedback_loop.learning.reviewing import Asked, ReviewQueue, answer_of

HOSTILE = '"><script>alert(1)</script> & <View>'
TASK = {"task_id": "t-1", "rank_at": datetime(2050, 1, 1, tzinfo=UTC)}


def item(*contents: Any, inputs: Any = "Is it open?") -> dict[str, Any]:
    """An inference with an output for each content."""
    outputs = [{"output_id": name, "content": each} for name, each in zip("ABC", contents, strict=False)]
    return {"inference": {"inputs": inputs, "outputs": outputs}}


def chosen(words: str) -> list[dict[str, Any]]:
    """The result of a choice."""
    return [{"from_name": "answer", "to_name": "inputs", "type": "choices", "value": {"choices": [words]}}]


def typed(name: str, text: str) -> dict[str, Any]:
    """The result of a text."""
    return {"from_name": name, "to_name": "inputs", "type": "textarea", "value": {"text": [text]}}


@pytest.mark.parametrize("asked", get_args(Asked))
def test_whatever_a_queue_asks_is_drawn_and_read_back(asked: Any) -> None:
    """Every choice that is shown is read as a value that the queue takes; a configuration names what tasks hold."""
    queue = ReviewQueue(queue_id="q", feedback_type=asked, show_feedback=True)
    shown = item({"label": "spam"}, {"label": "ham"}) | {"feedback": {"feedback_value": {"text": "No."}}}

    view = ElementTree.fromstring(config_of(queue))
    task = task_of(queue, TASK, shown)

    used = {each.get("value", "")[1:] for each in view.iter() if each.get("value", "").startswith("$")}
    assert used <= task["data"].keys() and {each.get("toName") for each in view.iter()} <= {"inputs", None}
    assert task["data"]["external_id"] == "t-1" and task["predictions"][0]["score"] == pytest.approx(0.5, abs=1e-3)
    for words in choices_of(queue, shown):
        value = value_of(queue, chosen(words), shown)
        assert value is not None and answer_of(queue, value)
    if asked == "explicit_correction":
        assert value_of(queue, [typed("answer", "At 9.")], shown) == {"corrected_text": "At 9."}


def test_answers_that_look_alike_stay_apart() -> None:
    """A number, its text and a truth value are each read as what they are."""
    queue = ReviewQueue(queue_id="q", options=[1, "1", True, "true"])

    words = choices_of(queue, item("x"))

    assert list(words) == ["1", '"1"', "true", '"true"']
    assert [value_of(queue, chosen(each), item("x")) for each in words] == [
        {"label": each} for each in queue.options or []
    ]


def test_an_option_is_no_variable() -> None:
    """Label Studio would put something of the task in its place; a wide dollar is shown and read back as what it is."""
    queue = ReviewQueue(queue_id="q", options=["$5 off", "for $inputs"])
    words = list(choices_of(queue, item("x")))

    assert not any("$" in each for each in words) and "$5" not in config_of(queue)
    assert [value_of(queue, chosen(each), item("x")) for each in words] == [
        {"label": each} for each in queue.options or []
    ]
    assert all(
        "$" not in each["value"] for each in task_of(ReviewQueue(queue_id="q"), TASK, item("$x"))["data"]["options"]
    )


def test_another_label_is_what_was_typed() -> None:
    """Where the queue names no options, one that is typed counts before one that is chosen."""
    queue = ReviewQueue(queue_id="q")

    assert value_of(queue, chosen("spam"), item({"label": "spam"})) == {"label": "spam"}
    assert value_of(queue, [*chosen("spam"), typed("other", " news ")], item({"label": "spam"})) == {"label": "news"}


@pytest.mark.parametrize(
    "result",
    [[], [None], [{"from_name": "answer"}], [{"from_name": "answer", "value": {"choices": [5]}}], chosen("cow")],
)
def test_what_answers_nothing_is_nothing(result: list[Any]) -> None:
    """Whatever stands in an annotation, it is a value that can be chosen or none."""
    assert value_of(ReviewQueue(queue_id="q", options=["spam"]), result, item("spam")) is None


def test_what_users_wrote_is_no_configuration() -> None:
    """It stands in a task's data; options and guidelines are the operator's, and are escaped."""
    queue = ReviewQueue(queue_id="q", options=[HOSTILE], guidelines=HOSTILE)

    [choice] = ElementTree.fromstring(config_of(queue)).iter("Choice")

    assert choice.get("value") == HOSTILE and "<script>" not in str(project_of(queue, "p")["expert_instruction"])
    assert task_of(ReviewQueue(queue_id="q"), TASK, item(HOSTILE, inputs=HOSTILE))["data"]["inputs"] == HOSTILE
    assert HOSTILE not in config_of(ReviewQueue(queue_id="q"))


def test_the_models_answer_is_a_prediction() -> None:
    """As a choice or as a text to change; where several are compared there is none."""
    assert task_of(ReviewQueue(queue_id="q"), TASK, item("spam"))["predictions"][0]["result"][0]["value"] == {
        "choices": ["spam"]
    }
    better = ReviewQueue(queue_id="q", feedback_type="explicit_correction")
    assert task_of(better, TASK, item({"text": "Hm."}))["predictions"][0]["result"][0]["value"] == {"text": ["Hm."]}
    pairs = ReviewQueue(queue_id="q", feedback_type="preference_pair")
    assert task_of(pairs, TASK, item("a", "b"))["predictions"][0]["result"] == []
    assert task_of(pairs, TASK, {"inference": None})["data"]["options"] == []


def test_any_input_is_text_to_read() -> None:
    """A conversation by its turns, a lone text as it is, the rest as JSON."""
    assert words_of({"messages": [{"role": "user", "content": "Hi"}, {"role": "bot", "content": "Yes?"}]}) == (
        "user: Hi\n\nbot: Yes?"
    )
    assert words_of({"text": "Hi"}) == words_of("Hi") == "Hi"
    assert words_of({"a": 1, "b": 2}) == '{\n  "a": 1,\n  "b": 2\n}'


def test_long_names_stay_different() -> None:
    """A project there has 50 characters; two queues are two projects all the same."""
    titles = {project_of(ReviewQueue(queue_id="q" * 60 + end), "p")["title"] for end in "ab"}

    assert len(titles) == 2 and all(len(title) <= 50 for title in titles)
