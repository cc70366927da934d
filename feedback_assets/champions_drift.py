"""The drift of every champion: which rows are compared and what it is held to; drift is judged in `learning`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feedback_assets import facts
from feedback_ingest.log import LogRow
from feedback_ingest.settings import Settings
from feedback_loop.learning.datasets import training_rows
from feedback_loop.learning.drift import DriftReport, Learnt, first_and_newest, held_to, of_model, report, window
from feedback_loop.learning.drift_detectors import Window
from feedback_loop.learning.increments import is_increment, root_of, rooted
from feedback_loop.learning.rows import json_text

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


REIGNS = (facts.MODEL_PROMOTED, facts.MODEL_ROLLED_BACK)
"""What a version begins to serve with."""
JUDGED_BY = (*REIGNS, facts.DATASET_COMPILED)
"""The facts that `reports` wants."""
Reading = Callable[[int, Sequence[str]], Mapping[str, str]]
"""What stands behind references of a project, as JSON text; what cannot be used is left out."""

SAMPLED_ROWS = 1_000
"""About so many rows stand for what a champion learnt from."""


@dataclass(frozen=True, slots=True)
class Reign:
    """One version's time as champion; how it did on the golden rows when promoted, and its dataset, where known."""

    model_version: str
    accuracy: float | None = None
    rows: int | None = None
    dataset_version: str | None = None


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The version of a model that is judged now, and those before it, oldest first; the last one is itself."""

    project_id: int
    model_name: str
    reigns: tuple[Reign, ...]
    goes_on_learning: bool = False
    """Do increments of it serve? Then what its first version learnt is not all it knows."""

    @property
    def model_version(self) -> str:
        """The version in service."""
        return self.reigns[-1].model_version


def incumbents(inferences: "ibis.Table", promotions: Sequence[LogRow]) -> list[Incumbent]:
    """One for each model that answered: the versions promoted in turn, or the one that answered last where none was."""
    keys = ["project_id", "model_name"]
    answered = inferences.group_by(keys).agg(newest=inferences.model_version.argmax(inferences.log_offset))
    found = []
    for row in answered.order_by(keys).to_pyarrow().to_pylist():
        told = facts.of_model(promotions, row["project_id"], row["model_name"])
        reigns = tuple(_reign(fact.body) for fact in told if _begins_reign(fact)) or (Reign(row["newest"]),)
        goes_on = bool(told) and is_increment(told[-1].body["model_version"])
        found.append(Incumbent(row["project_id"], row["model_name"], reigns, goes_on))
    return found


def _begins_reign(fact: LogRow) -> bool:
    """An increment goes on with the reign of what it is an increment of."""
    return fact.kind != facts.MODEL_PROMOTED or not is_increment(fact.body["model_version"])


def _reign(body: Mapping[str, Any]) -> Reign:
    evaluation = body.get("evaluation", {})
    return Reign(
        root_of(body["model_version"]),
        evaluation.get("recent_accuracy"),
        evaluation.get("recent_rows"),
        body.get("dataset_version"),
    )


def standard(
    reigns: Sequence[Reign], first_windows: Mapping[str, tuple[int, int]], size: int
) -> tuple[float | None, int]:
    """The accuracy the last of `reigns` is held to, and the labelled rows it rests on.

    `first_windows` gives for each version the labelled and the right ones among its first `size` labelled answers. A
    version is measured by them once there are `size`, until then by its evaluation at the gate.
    """
    held: float | None = None
    rows = 0
    for reign in reigns:
        labelled, right = first_windows.get(reign.model_version, (0, 0))
        is_full = labelled >= size
        own = right / labelled if is_full else reign.accuracy
        rows = labelled if is_full else reign.rows or rows or labelled
        held = held_to(own, held)
    return held, rows


def first_windows(labeled: "ibis.Table", project_id: int, model_name: str, size: int) -> dict[str, tuple[int, int]]:
    """For each version of a model: how many of its first `size` judged answers there are, and how many are right."""
    import ibis

    mine = labeled.filter(labeled.project_id == project_id, labeled.model_name == model_name, labeled.correct.notnull())
    placed = mine.mutate(place=ibis.row_number().over(group_by="model_version", order_by=mine.feedback_offset))
    first = placed.filter(placed.place < size)
    sums = first.group_by("model_version").agg(labelled=first.count(), right=first.correct.cast("int64").sum())
    return {row["model_version"]: (row["labelled"], row["right"]) for row in sums.to_pyarrow().to_pylist()}


def drift_of(
    incumbent: Incumbent,
    labeled: "ibis.Table",
    inferences: "ibis.Table",
    datasets: Sequence[LogRow],
    settings: Settings,
    read: Reading,
) -> DriftReport:
    """Compares the newest answers and inputs of the version in service with its first ones and what it learnt from."""
    named = (incumbent.project_id, incumbent.model_name)
    accuracy, rows = standard(
        incumbent.reigns, first_windows(labeled, *named, settings.drift_labels), settings.drift_labels
    )
    mine = [of_model(table, *named, incumbent.model_version) for table in (labeled, inferences)]
    judged = first_and_newest(mine[0].filter(mine[0].correct.notnull()), "feedback_offset", settings.drift_labels)
    asked = first_and_newest(mine[1], "log_offset", settings.drift_inferences)
    windows = [_window(answers, _asked(inputs, named[0], read)) for answers, inputs in zip(judged, asked, strict=True)]
    reference, recent = windows
    learnt = learnt_by(incumbent, labeled, datasets, settings)
    return report(reference, recent, accuracy, rows or None, learnt=learnt)


def _asked(inputs: "ibis.Table", project_id: int, read: Reading) -> list[dict[str, Any]]:
    """What the inferences of a window were asked; without those whose reference cannot be used: nobody knows that."""
    rows = inputs.select("inputs", "inputs_ref", "embedding").to_pyarrow().to_pylist()
    elsewhere = [row["inputs_ref"] for row in rows if row["inputs_ref"] is not None]
    found = read(project_id, elsewhere) if elsewhere else {}
    known = [row for row in rows if row["inputs_ref"] is None or row["inputs_ref"] in found]
    return [{**row, "inputs": found.get(row["inputs_ref"], row["inputs"])} for row in known]


def _window(answers: "ibis.Table", asked: Sequence[Mapping[str, Any]]) -> Window:
    judged = answers.select("correct", "label").to_pyarrow().to_pylist()
    return window(judged, [row["inputs"] for row in asked], [row["embedding"] for row in asked])


def learnt_by(
    incumbent: Incumbent, labeled: "ibis.Table", datasets: Sequence[LogRow], settings: Settings
) -> Learnt | None:
    """The dataset of the version in service, made again from the labels up to its offset; None where none is known.

    None also where it has learnt on since.
    """
    import ibis

    mine = facts.of_model(datasets, incumbent.project_id, incumbent.model_name)
    version = incumbent.reigns[-1].dataset_version
    dataset = next((fact.body for fact in reversed(mine) if fact.body["dataset_version"] == version), None)
    if dataset is None or incumbent.goes_on_learning:
        return None
    known = labeled.filter(labeled.feedback_offset <= dataset["log_offset"])
    rows = training_rows(known, incumbent.project_id, incumbent.model_name, settings.training_rows)
    step = max(dataset["rows"] // SAMPLED_ROWS, 1)
    placed = rows.mutate(place=ibis.row_number().over(order_by=rows.feedback_offset))
    sample = placed.filter(placed.place % step == 0).inputs.to_pyarrow().to_pylist()
    return Learnt(dataset["rows"], window([], sample))


def new_labels(incumbent: Incumbent, labeled: "ibis.Table", datasets: Sequence[LogRow], settings: Settings) -> int:
    """How many rows a training would see that the newest dataset of the model did not."""
    known = facts.of_model(datasets, incumbent.project_id, incumbent.model_name)
    seen = known[-1].body["log_offset"] if known else 0
    rows = training_rows(labeled, incumbent.project_id, incumbent.model_name, settings.training_rows)
    count: int = rows.filter(rows.feedback_offset > seen).count().to_pyarrow().as_py()
    return count


def reports(
    labeled: "ibis.Table",
    inferences: "ibis.Table",
    decisions: Sequence[LogRow],
    upto_offset: int,
    settings: Settings,
    read: Reading,
) -> "pa.Table":
    """One row a model of the log: what drift was found up to `upto_offset`, and what there is to learn from.

    `decisions` are the facts of JUDGED_BY up to there. Only the references in the windows are `read`.
    """
    import pyarrow as pa

    promotions = [fact for fact in decisions if fact.kind in REIGNS]
    datasets = [fact for fact in facts.of_the_loop(decisions) if fact.kind == facts.DATASET_COMPILED]
    known, labeled = rooted(inferences.filter(inferences.log_offset <= upto_offset)), rooted(labeled)
    rows = []
    for incumbent in incumbents(known, promotions):
        found = drift_of(incumbent, labeled, known, datasets, settings, read)
        told = {"new_labels": new_labels(incumbent, labeled, datasets, settings), "upto_offset": upto_offset}
        rows.append({**_named(incumbent), **_flat(found), **told})
    return pa.Table.from_pylist(rows, _schema())


def _named(incumbent: Incumbent) -> dict[str, Any]:
    return {
        "project_id": incumbent.project_id,
        "model_name": incumbent.model_name,
        "model_version": incumbent.model_version,
    }


def _flat(found: DriftReport) -> dict[str, Any]:
    return {
        "is_detected": found.detected,
        "reasons": list(found.reasons),
        "accuracy_reference": found.accuracy_reference,
        "accuracy_recent": found.accuracy_recent,
        "samples": found.samples,
        "accuracy_suffers": found.accuracy_suffers,
        "inputs_moved": found.inputs_moved,
        "outgrown_rows": found.outgrown_rows,
        "per_feature": json_text([feature._asdict() for feature in found.per_feature]),
        "findings": json_text([finding._asdict() for finding in found.findings]),
        "inputs_came_or_went": list(found.inputs_came_or_went),
    }


def _schema() -> "pa.Schema":
    import pyarrow as pa

    texts, numbers = ("model_name", "model_version"), ("accuracy_reference", "accuracy_recent")
    return pa.schema(
        [
            pa.field("project_id", pa.int32()),
            *(pa.field(name, pa.string()) for name in texts),
            pa.field("is_detected", pa.bool_()),
            pa.field("reasons", pa.list_(pa.string())),
            *(pa.field(name, pa.float64()) for name in numbers),
            pa.field("samples", pa.int64()),
            pa.field("accuracy_suffers", pa.bool_()),
            pa.field("inputs_moved", pa.bool_()),
            pa.field("outgrown_rows", pa.int64()),
            pa.field("per_feature", pa.string()),
            pa.field("findings", pa.string()),  # JSON text
            pa.field("inputs_came_or_went", pa.list_(pa.string())),
            pa.field("new_labels", pa.int64()),
            pa.field("upto_offset", pa.int64()),
        ]
    )
