"""What the UI is told of labels, drift and datasets."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import orjson

from feedback_assets import facts
from feedback_assets.presentation import line_plot, markdown_table, point_width_s
from feedback_ingest.log import LogRow
from feedback_loop.registry.dataset_shelf import Dataset

if TYPE_CHECKING:
    import ibis

TOLD_APART = ("reasons", "findings", "inputs_came_or_went")


def labels_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """How many labels each model version has, how many are golden, and how often the answer was right."""
    keys = ["model_name", "model_version"]
    sums = rows.group_by(keys).agg(
        labels=rows.count(), golden=rows.is_golden.cast("int64").sum(), accuracy=rows.correct.cast("float64").mean()
    )
    return {"labels": markdown_table(sums.order_by(keys).to_pyarrow().to_pylist())}


def drift_told(rows: "ibis.Table", labeled: "ibis.Table", decisions: Sequence[LogRow]) -> Mapping[str, Any]:
    """What was found for each model, as a table and as JSON for the sensor, and its accuracy over time."""
    found = rows.drop("per_feature").to_pyarrow().to_pylist()
    return {
        "drift": markdown_table(
            [{name: value for name, value in row.items() if name not in TOLD_APART} for row in found]
        ),
        "reasons": markdown_table(
            [{"model_name": row["model_name"], "reasons": "; ".join(row["reasons"])} for row in found]
        ),
        "reports": dg.MetadataValue.json(found),
        "inputs that moved most": markdown_table(_moved(rows)),
        "detectors": markdown_table(_detectors(found)),
        **accuracy_plots(labeled, [fact for fact in decisions if fact.kind != facts.DATASET_COMPILED]),
    }


def _detectors(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"model_name": row["model_name"], **finding} for row in found for finding in orjson.loads(row["findings"])]


def _moved(rows: "ibis.Table") -> list[dict[str, Any]]:
    features = [
        {"model_name": row["model_name"], **feature}
        for row in rows.select("model_name", "per_feature").to_pyarrow().to_pylist()
        for feature in orjson.loads(row["per_feature"])
    ]
    return sorted(features, key=lambda feature: -feature["psi"])[:10]


def accuracy_plots(labeled: "ibis.Table", promotions: Sequence[LogRow]) -> dict[str, Any]:
    """One plot a model: the accuracy of each version by event time, with the promotions marked."""
    judged = labeled.filter(labeled.correct.notnull())
    width = point_width_s(judged, "occurred_at")
    keys = ["model_name", "model_version", "place"]
    sums = judged.mutate(place=judged.occurred_at.epoch_seconds() // width).group_by(keys)
    points = sums.agg(accuracy=lambda t: t.correct.cast("float64").mean(), start=lambda t: t.occurred_at.min())
    lines: dict[str, dict[str, list[tuple[Any, float]]]] = {}
    for row in points.order_by(keys).to_pyarrow().to_pylist():
        of_model = lines.setdefault(row["model_name"], {})
        of_model.setdefault(row["model_version"], []).append((row["start"], row["accuracy"]))
    return {
        f"accuracy of {name}": line_plot(f"{name}: accuracy over time", versions, _marks(name, versions, promotions))
        for name, versions in lines.items()
    }


def _marks(
    name: str, versions: Mapping[str, Sequence[tuple[datetime, float]]], promotions: Sequence[LogRow]
) -> list[tuple[datetime, str]]:
    """The promotions of a model that fall into what is plotted of it, or at its end."""
    times = [time for points in versions.values() for time, _ in points]
    first, last = min(times), max(times) + timedelta(seconds=60)
    mine = [fact for fact in promotions if fact.body["model_name"] == name and first <= fact.occurred_at <= last]
    return [(fact.occurred_at, fact.body["model_version"]) for fact in mine]


def dataset_told(dataset: Dataset) -> Mapping[str, Any]:
    """What a dataset is made of."""
    labels = [{"label": label, "rows": rows} for label, rows in dataset.manifest["labels"].items()]
    excluded = dataset.manifest["references"]["excluded"]
    left_out = [{"inputs could not be read": reason, "rows": rows} for reason, rows in excluded.items()]
    return {
        "folder": dg.MetadataValue.path(str(dataset.folder.resolve())),
        "labels": markdown_table(labels),
        "most rows by": markdown_table(dataset.manifest["contributors"]["most"], empty="nobody in particular"),
        "left out": markdown_table(left_out, empty="none"),
        "beside traffic": markdown_table(dataset.manifest["skews"], empty="no inference names a segment"),
        "manifest": dg.MetadataValue.json(
            {name: dataset.manifest[name] for name in dataset.manifest if name != "labels"}
        ),
    }
