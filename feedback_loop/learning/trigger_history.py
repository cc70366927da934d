"""The history of one model as its triggers would have seen it: a moment every so many labels, from rows in order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from feedback_loop.learning.drift import report, window
from feedback_loop.learning.rows import json_text
from feedback_loop.learning.trigger_conditions import Moment

SIZE = 150
STEP = 150


def moments(rows: Sequence[Mapping[str, Any]], size: int = SIZE, step: int = STEP) -> Iterator[tuple[float, Moment]]:
    """(seconds, moment) every `step` rows: the newest `size` labelled answers against the first `size`.

    `rows` are labelled rows of the training queue, in order: label, occurred_at, and example as JSON text. Nothing was
    trained in this history: all labels are new ones.
    """
    told = [orjson.loads(row["example"]) for row in rows]
    judged = [
        {
            "correct": None if said["answer_label"] is None else row["label"] == said["answer_label"],
            "label": row["label"],
        }
        for row, said in zip(rows, told, strict=True)
    ]
    inputs = [None if said["inputs"] is None else json_text(said["inputs"]) for said in told]
    first = window(judged[:size], inputs[:size])
    for end in range(2 * size, len(rows) + 1, step):
        newest = window(judged[end - size : end], inputs[end - size : end])
        yield rows[end - 1]["occurred_at"].timestamp(), Moment(report(first, newest), end)
