"""Candidates, evaluations and verdicts as the rows that their assets hold."""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from feedback_assets.gate import Comparison
from feedback_loop.learning.promotion import Evaluation, Verdict
from feedback_loop.registry.shelf import RegisteredModel

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


def one_row(table: "ibis.Table") -> dict[str, Any]:
    """The only row of a table that has one."""
    [row] = table.to_pyarrow().to_pylist()
    return dict(row)


def candidate_row(registered: RegisteredModel, dataset: dict[str, Any]) -> "pa.Table":
    """A registered model and the dataset it comes from."""
    import pyarrow as pa

    return pa.Table.from_pylist([{**asdict(registered), "dataset_version": dataset["dataset_version"]}])


def evaluation_rows(comparison: Comparison) -> "pa.Table":
    """Two rows, `role` candidate and champion."""
    import pyarrow as pa

    sides = {"candidate": comparison.candidate, "champion": comparison.champion}
    rows = [
        {"role": role, **asdict(side), "accuracy": side.accuracy, "recent_accuracy": side.recent_accuracy}
        for role, side in sides.items()
    ]
    return pa.Table.from_pylist(rows)


def evaluations_of(table: "ibis.Table") -> tuple[Evaluation, Evaluation]:
    """Candidate and champion out of such rows."""
    names = [field.name for field in fields(Evaluation)]
    found = {row["role"]: Evaluation(**{name: row[name] for name in names}) for row in table.to_pyarrow().to_pylist()}
    return found["candidate"], found["champion"]


def verdict_row(candidate: dict[str, Any], verdict: Verdict, serving: str) -> "pa.Table":
    """What the gate decided, and which version serves now."""
    import pyarrow as pa

    named = {name: candidate[name] for name in ("project_id", "model_name", "model_version", "dataset_version")}
    decided = {"is_promoted": verdict.promote, "reasons": verdict.reasons, "serving_version": serving}
    return pa.Table.from_pylist([{**named, **decided}])
