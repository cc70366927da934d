"""The gate's two evaluations: candidate and champion on the same golden rows; `learning.promotion` says who wins."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import orjson

from feedback_loop.learning.gate_checks import Finding
from feedback_loop.learning.promotion import Evaluation, evaluate
from feedback_loop.learning.references import Excluded
from feedback_loop.learning.rows import json_text

Row = Mapping[str, Any]


class Predicts(Protocol):
    """A model that answers inputs, as `feedback_loop.learning.training.TrainedModel` does."""

    def predict(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """One prediction, with a `label`, for each of `inputs`."""


class Comparison(NamedTuple):
    """Both sides of the gate, on the same rows, those rows, and the rows whose inputs could not be read.

    `answers` are what candidate and champion said to each row, `findings` what the gate's checks make of it all.
    """

    candidate: Evaluation
    champion: Evaluation
    golden: list[Row]
    answers: Sequence[tuple[str | None, str | None]] = ()
    excluded: Sequence[Excluded] = ()
    findings: Sequence[Finding] = ()


def compare(
    golden: Sequence[Row],
    candidate_version: str,
    candidate: Predicts,
    champion_version: str,
    champion: Predicts | None,
) -> Comparison:
    """Evaluates both on `golden` (newest first, LABELED_SCHEMA).

    The champion is taken at its logged word where it answered; elsewhere its artifact is asked. Without an artifact
    the rows it never answered are left out for both.
    """
    asked = [row for row in golden if champion is not None or row["model_version"] == champion_version]
    said = [row["answer_label"] if row["model_version"] == champion_version else None for row in asked]
    if champion is not None:
        silent = [place for place, row in enumerate(asked) if row["model_version"] != champion_version]
        for place, label in zip(silent, labels(champion, [asked[place] for place in silent]), strict=True):
            said[place] = label
    ours = labels(candidate, asked)
    return Comparison(
        evaluate(candidate_version, asked, ours),
        evaluate(champion_version, asked, said),
        list(asked),
        list(zip(ours, said, strict=True)),
    )


def labels(model: Predicts, rows: Sequence[Row]) -> list[str]:
    """What the model answers each row, as JSON text."""
    return [json_text(answer.label) for answer in model.predict([orjson.loads(row["inputs"]) for row in rows])]
