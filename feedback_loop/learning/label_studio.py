"""A review queue in Label Studio's words: its project from the widget, its items as tasks, what is answered as values.

Everything a user wrote stands in a task's data, which Label Studio shows as text; none of it is in the configuration.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import escape
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson

from feedback_ingest.feedback_types import collect
from feedback_loop.learning.reviewing import ReviewQueue

EXTERNAL_ID = "external_id"
PREDICTED = "served"
"""The model version of every prediction there: Label Studio orders by the predictions of one version only."""
ANSWER, OTHER = "answer", "other"
TIE = "Neither is better"
LONGEST_TITLE = 50
WIDE_DOLLAR = "\uff04"
START, CENTURY = datetime(2000, 1, 1, tzinfo=UTC), timedelta(days=36_525)
UNKNOWN = "The inference is not in the log yet; only its feedback is."
Item = Mapping[str, Any]
"""What a reviewer is shown: `inference` (inputs, outputs) or None, and `feedback` where the queue shows it."""


def project_of(queue: ReviewQueue, project: str) -> dict[str, Any]:
    """The settings of the queue's project there; the least certain items come first, each to `overlap` people."""
    title = f"{project}/{queue.queue_id}"
    if len(title) > LONGEST_TITLE:
        title = f"{title[: LONGEST_TITLE - 9]}~{sha256(title.encode()).hexdigest()[:8]}"
    return {
        "title": title,
        "label_config": config_of(queue),
        "expert_instruction": escape(queue.guidelines).replace("\n", "<br>"),
        "show_instruction": bool(queue.guidelines),
        "maximum_annotations": queue.overlap,
        "enable_empty_annotation": False,
        "sampling": "Uncertainty sampling",
        "model_version": PREDICTED,
    }


def config_of(queue: ReviewQueue) -> str:
    """The labeling configuration, in Label Studio's XML."""
    view = Element("View")
    shown = ("inputs", "outputs", "said") if queue.show_feedback else ("inputs", "outputs")
    for name in shown:
        SubElement(view, "Header", value={"inputs": "Input", "outputs": "Answer", "said": "What was said"}[name])
        SubElement(view, "Text", name=name, value=f"${name}")
    asked = {"name": ANSWER, "toName": "inputs", "required": "true"}
    match collect()[queue.feedback_type].widget["kind"]:
        case "text_edit":
            SubElement(view, "TextArea", asked, maxSubmissions="1", editable="true", rows="8")
        case "choice" if queue.options is not None:
            among = SubElement(view, "Choices", asked, choice="single")
            for words in choices_of(queue, {"inference": None}):
                SubElement(among, "Choice", value=words)
        case "choice":
            SubElement(view, "Choices", asked | {"required": "false"}, choice="single", value="$options")
            SubElement(view, "Header", value="Another label")
            SubElement(view, "TextArea", name=OTHER, toName="inputs", maxSubmissions="1", editable="true", rows="1")
        case "pair":
            SubElement(view, "Choices", asked, choice="single", value="$options")
        case kind:
            raise NotImplementedError(f"no control of Label Studio draws the widget {kind!r}")
    return tostring(view, encoding="unicode")


def task_of(queue: ReviewQueue, task: Mapping[str, Any], item: Item) -> dict[str, Any]:
    """A task to import: data with the external id, and a prediction whose score is the lower the more urgent it is."""
    inference = item["inference"]
    data = {
        EXTERNAL_ID: task["task_id"],
        "inputs": words_of(inference.get("inputs", inference.get("inputs_ref"))) if inference else UNKNOWN,
        "outputs": "\n\n".join(_output_words(queue, inference)) if inference else UNKNOWN,
        "options": [{"value": words} for words in choices_of(queue, item)],
    }
    if queue.show_feedback:
        data["said"] = words_of(item.get("feedback") or "")
    prediction = {"model_version": PREDICTED, "score": score_of(task["rank_at"]), "result": _served(queue, item)}
    return {"data": data, "predictions": [prediction]}


def score_of(rank_at: datetime) -> float:
    """The order in which items are given, from 0 to 1: what is less comes first."""
    return (rank_at - START) / CENTURY


def value_of(queue: ReviewQueue, result: Sequence[Any], item: Item) -> dict[str, Any] | None:
    """What an annotation's result says, as a value of the queue's feedback type; None where it says nothing of it.

    `result` is as it came: anything may stand in it.
    """
    said = {each.get("from_name"): each.get("value") for each in result if isinstance(each, Mapping)}
    if collect()[queue.feedback_type].widget["kind"] == "text_edit":
        text = _first(said.get(ANSWER), "text")
        return {"corrected_text": text} if text is not None else None
    if queue.feedback_type == "explicit_label" and queue.options is None:
        other = (_first(said.get(OTHER), "text") or "").strip()
        if other:
            return {"label": other}
    chosen = _first(said.get(ANSWER), "choices")
    return choices_of(queue, item).get(chosen) if chosen is not None else None


def choices_of(queue: ReviewQueue, item: Item) -> dict[str, dict[str, Any]]:
    """What can be chosen: by the words that stand for it, all different, the value that it is."""
    inference = item["inference"]
    outputs = inference["outputs"] if inference else []
    kind = collect()[queue.feedback_type].widget["kind"]
    if kind == "choice":
        answered = [label for each in outputs if (label := _label(each)) is not None]
        return _told_apart([(label, {"label": label}) for label in queue.options or answered])
    if kind == "pair" and outputs:
        names = [each["output_id"] for each in outputs]
        pairs: list[tuple[Any, dict[str, Any]]] = []
        for name in names:
            rejected = (
                {"rejected_output_id": next(other for other in names if other != name)} if len(names) == 2 else {}
            )
            pairs.append((f"{name} is better", {"preferred_output_id": name, **rejected}))
        return _told_apart([*pairs, (TIE, {"preferred_output_id": names[0], "tie": True})])
    return {}


def words_of(value: Any) -> str:
    """Any JSON value as text to read: a conversation as its turns, what is not text as JSON."""
    turns = value.get("messages") if isinstance(value, Mapping) else value
    if isinstance(turns, list) and turns and all(isinstance(each, Mapping) and "role" in each for each in turns):
        return "\n\n".join(f"{each['role']}: {words_of(each.get('content', ''))}" for each in turns)
    if isinstance(value, Mapping) and len(value) == 1 and isinstance(only := next(iter(value.values())), str):
        return only
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _told_apart(options: Sequence[tuple[Any, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """By words; where two look alike (1 and "1"), JSON says which is meant.

    A dollar is a wide one there: in a choice, fixed or of a task, Label Studio takes `$name` for a variable.
    """
    found: dict[str, dict[str, Any]] = {}
    for option, value in options:
        words = (option if isinstance(option, str) else orjson.dumps(option).decode()).replace("$", WIDE_DOLLAR)
        if words in found and found[words] != value:
            words = orjson.dumps(option).decode().replace("$", WIDE_DOLLAR)
        found[words] = value
    return found


def _served(queue: ReviewQueue, item: Item) -> list[dict[str, Any]]:
    """What the model answered, as a result; empty where several answers are compared or it is not one to choose."""
    outputs = item["inference"]["outputs"] if item["inference"] else []
    if len(outputs) != 1:
        return []
    named = {"from_name": ANSWER, "to_name": "inputs"}
    if collect()[queue.feedback_type].widget["kind"] == "text_edit":
        content = outputs[0]["content"]
        text = content.get("text") if isinstance(content, Mapping) else content
        return [{**named, "type": "textarea", "value": {"text": [text]}}] if isinstance(text, str) else []
    answered = {"label": _label(outputs[0])}
    found = [words for words, value in choices_of(queue, item).items() if value == answered]
    return [{**named, "type": "choices", "value": {"choices": found[:1]}}] if found else []


def _label(output: Mapping[str, Any]) -> Any:
    content = output["content"]
    label = content.get("label") if isinstance(content, Mapping) else content
    return label if isinstance(label, str | int | bool) else None


def _output_words(queue: ReviewQueue, inference: Mapping[str, Any]) -> list[str]:
    outputs = inference["outputs"]
    named = len(outputs) > 1 or queue.feedback_type == "preference_pair"
    return [f"{each['output_id']}: {words_of(each['content'])}" if named else words_of(each["content"])
            for each in outputs]  # fmt: skip


def _first(value: Any, name: str) -> str | None:
    found = value.get(name) if isinstance(value, Mapping) else None
    first = found[0] if isinstance(found, list) and found else found
    return first if isinstance(first, str) else None
