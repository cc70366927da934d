"""Drift: whether the world has moved away from what the champion learnt, from the findings of all detectors."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.drift_detectors import FeatureDrift, Finding, Thresholds, Window, collect
from feedback_loop.learning.drift_detectors.input_shift import InputShift
from feedback_loop.learning.features import flatten_text

if TYPE_CHECKING:
    import ibis

MOST_HAVE = 0.5
CONCESSION = 0.05
"""How much less than its predecessor a champion may be held to: a harder world ends the retrainings after a few."""


class Learnt(NamedTuple):
    """What a champion was trained on: how many rows, and the inputs of a sample of them."""

    rows: int
    sample: Window


class Told(NamedTuple):
    """What one detector found, for those who look at the report."""

    detector: str
    kind: str
    is_drift: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What was found. `reasons` holds one sentence a detector, also when nothing was; accuracies are None unknown."""

    detected: bool
    reasons: tuple[str, ...]
    per_feature: tuple[FeatureDrift, ...]
    accuracy_reference: float | None
    accuracy_recent: float | None
    samples: int
    """Labelled answers in the recent window."""
    accuracy_suffers: bool
    """Accuracy fell, perhaps not enough to be drift by itself."""
    inputs_moved: bool
    outgrown_rows: int | None = None
    """How many rows the champion learnt from, where it is asked other inputs now; None where they are alike."""
    findings: tuple[Told, ...] = ()
    """One a detector. Concept, label and embedding drift is told here and starts no training by itself."""
    inputs_came_or_went: tuple[str, ...] = ()
    """Features that most inferences of one window have, and none of the other."""


def report(
    reference: Window,
    recent: Window,
    reference_accuracy: float | None = None,
    reference_samples: int | None = None,
    thresholds: Thresholds | None = None,
    learnt: Learnt | None = None,
) -> DriftReport:
    """Compares the champion's `recent` window with its `reference` window (which must not overlap).

    Give `reference_accuracy`, with the number of labelled rows it rests on, from `held_to`: a weak champion measured
    only against its own first answers would never be found wanting. Without it the reference window's own accuracy is
    taken. Moved inputs count as drift only where accuracy suffers as well or labels are missing. `learnt` tells a
    champion that was trained in the midst of a drift, mostly on the world before it.
    """
    thresholds = thresholds or Thresholds()
    if reference_accuracy is not None:
        samples = reference_samples or reference.labelled or max(recent.labelled, 1)
        reference = replace(reference, labelled=samples, correct=reference_accuracy * samples)
    by_name = {name: detector().detect(reference, recent, thresholds) for name, detector in collect().items()}
    findings = list(by_name.values())
    performance = [each for each in findings if each.kind == "performance"]
    moved = any(each.is_drift for each in findings if each.kind == "input")
    suffers = any(each.is_hint for each in performance)
    unlabelled = recent.labelled < thresholds.min_labels
    return DriftReport(
        detected=any(each.is_drift for each in performance) or (moved and (suffers or unlabelled)),
        reasons=_reasons(findings, moved, suffers, unlabelled),
        per_feature=tuple(feature for each in findings for feature in each.features),
        accuracy_reference=reference.accuracy,
        accuracy_recent=recent.accuracy,
        samples=recent.labelled,
        accuracy_suffers=suffers,
        inputs_moved=moved,
        outgrown_rows=_outgrown(learnt, recent, thresholds),
        findings=tuple(Told(name, each.kind, each.is_drift, each.reason) for name, each in by_name.items()),
        inputs_came_or_went=_came_or_went(reference, recent),
    )


def _outgrown(learnt: Learnt | None, recent: Window, thresholds: Thresholds) -> int | None:
    if learnt is None or not InputShift().detect(learnt.sample, recent, thresholds).is_drift:
        return None
    return learnt.rows


def _came_or_went(reference: Window, recent: Window) -> tuple[str, ...]:
    if not reference.inferences or not recent.inferences:
        return ()
    names = reference.features.keys() ^ recent.features.keys()
    counts = {
        name: max(len(side.features.get(name, ())) / side.inferences for side in (reference, recent)) for name in names
    }
    return tuple(sorted(name for name, share in counts.items() if share > MOST_HAVE))


def _reasons(findings: list[Finding], moved: bool, suffers: bool, unlabelled: bool) -> tuple[str, ...]:
    reasons = [each.reason for each in findings if each.is_concerned]
    if moved and unlabelled:
        reasons.append("inputs moved, and labels to see the effect are missing")
    elif moved and not suffers:
        reasons.append("inputs moved, but accuracy does not suffer")
    return tuple(reasons)


def held_to(own: float | None, predecessor: float | None, concession: float = CONCESSION) -> float | None:
    """The accuracy a champion is held to, None while nothing is known.

    `own` is the accuracy of its first labelled window once that is full, until then its evaluation at the gate;
    `predecessor` is what the champion before it was held to (the last report's accuracy_reference), None for the first.
    So after a weak promotion the next report finds the drop, and the loop trains again.
    """
    known = [own] if own is not None else []
    if predecessor is not None:
        known.append(max(predecessor - concession, 0.0))
    return max(known, default=None)


def window(
    labelled: Iterable[Mapping[str, Any]],
    inputs: Iterable[str | None],
    embeddings: Iterable[Sequence[float] | None] = (),
) -> Window:
    """A window of the labelled rows (`correct`, None is not counted, and `label`) and the JSON `inputs` of inferences.

    Both come in order. `embeddings` are those logged beside the inputs; without any, inputs that are one list of
    numbers are the vectors.
    """
    judged = [row for row in labelled if row["correct"] is not None]
    features: dict[str, list[float]] = {}
    categories: dict[str, Counter[str]] = {}
    vectors = []
    inferences = 0
    for text in inputs:
        inferences += 1
        found = flatten_text(text)
        for name, value in found.items():
            if isinstance(value, float):
                features.setdefault(name, []).append(value)
            else:
                categories.setdefault(name, Counter())[value] += 1
        if text is not None and text.startswith("["):
            vectors.append([value for value in found.values() if isinstance(value, float)])
    outcomes = tuple(bool(row["correct"]) for row in judged)
    labels = Counter(row["label"] for row in judged if row.get("label") is not None)
    vectors = [list(vector) for vector in embeddings if vector] or vectors
    alike = vectors if len({len(vector) for vector in vectors}) == 1 else []
    return Window(len(judged), sum(outcomes), inferences, features, outcomes, labels, categories, alike)


def of_model(table: "ibis.Table", project_id: int, model_name: str, model_version: str) -> "ibis.Table":
    """The rows of one champion."""
    return table.filter(
        table.project_id == project_id, table.model_name == model_name, table.model_version == model_version
    )


def first_and_newest(table: "ibis.Table", order_by: str, size: int) -> tuple["ibis.Table", "ibis.Table"]:
    """The first `size` rows by the column `order_by` (an offset), and the newest `size` of those after them."""
    import ibis

    placed = table.mutate(place=ibis.row_number().over(order_by=table[order_by]))
    first = placed.filter(placed.place < size).order_by(order_by).drop("place")
    later = placed.filter(placed.place >= size)
    newest = later.order_by(later[order_by].desc()).limit(size)
    return first, newest.order_by(order_by).drop("place")
