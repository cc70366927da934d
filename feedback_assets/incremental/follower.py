"""One model that goes on learning: rows are answered first and learnt then, and what that shows is kept."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from feedback_loop.learning.datasets import is_golden
from feedback_loop.learning.drift import window
from feedback_loop.learning.drift_detectors import Thresholds
from feedback_loop.learning.drift_detectors.kolmogorov_smirnov import KolmogorovSmirnov
from feedback_loop.learning.features import flatten
from feedback_loop.learning.gate_checks import CASES, Answered, Evidence, Finding, Limits
from feedback_loop.learning.incremental_learners import IncrementalLearner
from feedback_loop.learning.promotion import CORRECTED_BY, RECENT_ROWS, checked
from feedback_loop.learning.rows import json_text
from feedback_loop.learning.training import TEXT_MIN_ROWS, TrainedModel, features_of, of_learner

KEPT = 400
BY_USERS = ("explicit_correction", "explicit_label")
SMALL = Thresholds(psi_samples=1_000_000)

Example = Mapping[str, Any]


@dataclass
class Follower:
    """The learner of one model of one project, and the newest answers it gave before it learnt them.

    `place` is where it stands in the training queue; `corrected` are rows that people set right, newest first.
    """

    learner: IncrementalLearner
    golden_share: float
    place: tuple[int, int] = (0, 0)
    rows: int = 0
    answered: deque[tuple[Answered, str]] = field(default_factory=lambda: deque(maxlen=KEPT))
    corrected: deque[Example] = field(default_factory=lambda: deque(maxlen=CASES))
    serving: TrainedModel | None = None
    """The increment that serves, if it is one of this learner's."""
    served_version: str = ""
    _texts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def take(self, examples: Sequence[Example]) -> None:
        """Answers all of them, then learns those that are not golden; they come in the order of the queue."""
        usable = [each for each in examples if each["label"] is not None and each["inputs"] is not None]
        if not usable:
            return
        inputs = [each["inputs"] for each in usable]
        if self.learner.classes_:
            said = [json_text(answer.label) for answer in self._model().predict(inputs)]
            for each, label in zip(usable, said, strict=True):
                self.answered.appendleft((_answered(each, label), json_text(each["inputs"])))
        self.corrected.extendleft(
            each for each in usable if each["feedback_type"] in CORRECTED_BY and each["answer_label"] != each["label"]
        )
        self._texts.update(
            (name, text) for each in inputs for name, text in flatten(each).items() if isinstance(text, str)
        )
        learnt = [each for each in usable if not is_golden(each["inference_request_id"], self.golden_share)]
        if learnt:
            found = features_of([each["inputs"] for each in learnt], self.kept)
            self.learner.learn(found, [each["label"] for each in learnt])
            self.rows += len(learnt)

    @property
    def kept(self) -> frozenset[tuple[str, str]]:
        """The texts that are common enough to be categories."""
        return frozenset(pair for pair, count in self._texts.items() if count >= TEXT_MIN_ROWS)

    def renewed(self) -> TrainedModel | None:
        """What has been learnt so far, as a model that can be put on the shelf; None where that is too little."""
        self.learner.renew()
        return self._model() if self.learner.classes_ else None

    def _model(self) -> TrainedModel:
        return of_learner(self.learner, self.kept, self.rows)

    def findings(self, model: TrainedModel, limits: Limits) -> list[Finding]:
        """What the gate's checks make of it; the newest corrections are no past ones yet."""
        cases = list(islice(self.corrected, RECENT_ROWS, None))
        theirs = self.serving.predict([case["inputs"] for case in cases]) if self.serving is not None else []
        ours = model.predict([case["inputs"] for case in cases]) if theirs else []
        newest = [inputs for _, inputs in islice(self.answered, RECENT_ROWS)]
        before = [inputs for _, inputs in islice(self.answered, RECENT_ROWS, None)]
        moved = KolmogorovSmirnov().detect(window([], before), window([], newest), SMALL)
        evidence = Evidence(
            trained_rows=self.rows,
            golden=[answered for answered, _ in self.answered],
            recent=RECENT_ROWS,
            have_inputs_moved=moved.is_drift,
            corrections=[
                _answered(case, json_text(our.label))._replace(champion=json_text(their.label))
                for case, our, their in zip(cases, ours, theirs, strict=False)
            ],
        )
        return checked(evidence, limits)


def example_of(row: Mapping[str, Any]) -> Example:
    """A row of the training queue as a follower takes it."""
    told = orjson.loads(row["example"]) if isinstance(row["example"], str) else row["example"]
    return {**row, **{name: told[name] for name in ("inputs", "answer_label", "feedback_type")}}


def _answered(example: Example, said: str) -> Answered:
    kind = "end_user" if example["feedback_type"] in BY_USERS else "system"
    return Answered(example["inference_request_id"], example["label"], said, example["answer_label"], kind)
