"""Accuracy over a stream, test then train: each answer is judged by the label that came later, per tenth of it."""

from dataclasses import dataclass, field
from typing import Any

Label = str | int | bool
TENTHS = 10


@dataclass
class Prequential:
    """Judges the loop's answers and the frozen first model's on the same records; the first label told counts."""

    _expected: int = 1
    _answers: dict[str, tuple[int, Label | None, Label | None]] = field(default_factory=dict)
    _judged: dict[str, tuple[int, bool, bool]] = field(default_factory=dict)
    _labels: dict[str, Label] = field(default_factory=dict)
    _waiting: dict[str, Label] = field(default_factory=dict)

    def expect(self, inferences: int) -> None:
        """How many inferences the stream has: a tenth is a tenth of these."""
        self._expected = max(inferences, 1)

    def answered(self, inference: str, loop: Label | None, frozen: Label | None) -> None:
        """Both answers to one record, in stream order."""
        self._answers[inference] = (len(self._answers) * TENTHS // self._expected, loop, frozen)
        if inference in self._waiting:
            self.told(inference, self._waiting.pop(inference))

    def told(self, inference: str, label: Label | None) -> None:
        """The true label of a record, before or after its answer."""
        if label is None or inference in self._judged:
            return
        if inference not in self._answers:
            self._waiting.setdefault(inference, label)
            return
        tenth, loop, frozen = self._answers[inference]
        self._labels[inference] = label
        self._judged[inference] = (min(tenth, TENTHS - 1), _same(loop, label), _same(frozen, label))

    def tenths(self) -> list[dict[str, Any]]:
        """`{"tenth": 1…10, "judged", "loop", "frozen"}`, accuracies 0 to 1, None where nothing was judged."""
        return [{"tenth": tenth + 1, **self._accuracy(tenth)} for tenth in range(TENTHS)]

    def overall(self) -> dict[str, Any]:
        """`{"judged", "loop", "frozen"}` over the whole stream."""
        return self._accuracy(None)

    def kappa_temporal(self) -> dict[str, float | None]:
        """`{"loop", "frozen"}`: how far each is beyond saying the label of the record before; 0 is no better than that.

        See Žliobaitė et al., "Evaluation methods and decision theory for classification of streaming data" (Machine
        Learning 98, 2015). None where every label is like the one before, or nothing was judged.
        """
        labels = [self._labels[inference] for inference in self._answers if inference in self._labels]
        pairs = list(zip(labels, labels[1:], strict=False))
        lasting = sum(_same(one, other) for one, other in pairs) / len(pairs) if pairs else 1.0
        overall = self.overall()
        names = ("loop", "frozen")
        if lasting == 1.0:
            return dict.fromkeys(names)
        return {name: round((overall[name] - lasting) / (1 - lasting), 4) for name in names}

    def _accuracy(self, tenth: int | None) -> dict[str, Any]:
        judged = [verdict for verdict in self._judged.values() if tenth is None or verdict[0] == tenth]
        if not judged:
            return {"judged": 0, "loop": None, "frozen": None}
        loop, frozen = (sum(verdict[i] for verdict in judged) / len(judged) for i in (1, 2))
        return {"judged": len(judged), "loop": round(loop, 4), "frozen": round(frozen, 4)}


def answered_label(inference: dict[str, Any]) -> Label | None:
    """What a classifier answered: the chosen output's content where it is a label, else its `label`."""
    outputs = inference.get("outputs") or [{}]
    chosen = inference.get("chosen_output_id", outputs[0].get("output_id"))
    output = next((output for output in outputs if output.get("output_id") == chosen), outputs[0])
    content = output.get("content")
    label = content.get("label") if isinstance(content, dict) else content
    return label if isinstance(label, str | int | bool) else None


def told_label(feedback: dict[str, Any]) -> Label | None:
    """The label in a feedback that states one, whatever was answered; None for all other feedback."""
    value = feedback["feedback_value"]
    names = {"ground_truth": "label", "explicit_label": "label", "explicit_correction": "corrected_label"}
    label = value.get(names.get(feedback["feedback_type"], "")) if isinstance(value, dict) else None
    return label if isinstance(label, str | int | bool) else None


def _same(answer: Label | None, label: Label) -> bool:
    """3, "3" and True are three labels."""
    return type(answer) is type(label) and answer == label
