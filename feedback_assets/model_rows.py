"""Candidates, evaluations and verdicts as the rows that their assets hold."""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import orjson

from feedback_assets.gate import Comparison
from feedback_loop.learning.gate_checks import Finding
from feedback_loop.learning.promotion import Evaluation, Verdict
from feedback_loop.learning.rows import json_text
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

    named = {name: dataset[name] for name in ("dataset_version", "rows")}
    return pa.Table.from_pylist([{**asdict(registered), **named}])


def evaluation_rows(comparison: Comparison) -> "pa.Table":
    """Two rows, `role` candidate and champion; `findings` are the gate's checks as JSON text, the same in both."""
    import pyarrow as pa

    sides = {"candidate": comparison.candidate, "champion": comparison.champion}
    rows = [
        {
            "role": role,
            **asdict(side),
            "accuracy": side.accuracy,
            "recent_accuracy": side.recent_accuracy,
            "findings": json_text([finding._asdict() for finding in comparison.findings]),
        }
        for role, side in sides.items()
    ]
    return pa.Table.from_pylist(rows)


def evaluations_of(table: "ibis.Table") -> tuple[Evaluation, Evaluation, list[Finding]]:
    """Candidate and champion out of such rows, and what the gate's checks found."""
    names = [field.name for field in fields(Evaluation)]
    rows = {row["role"]: row for row in table.to_pyarrow().to_pylist()}
    ours, theirs = (Evaluation(**{name: rows[role][name] for name in names}) for role in ("candidate", "champion"))
    return ours, theirs, [Finding(**finding) for finding in orjson.loads(rows["candidate"]["findings"])]


def verdict_row(candidate: dict[str, Any], verdict: Verdict, serving: str, is_shadow: bool = False) -> "pa.Table":
    """What the gate decided, and which version serves now."""
    import pyarrow as pa

    named = {name: candidate[name] for name in ("project_id", "model_name", "model_version", "dataset_version")}
    decision = "promoted" if verdict.promote else "in the shadow" if is_shadow else "refused"
    decided = {"decision": decision, "is_promoted": verdict.promote, "reasons": verdict.reasons}
    return pa.Table.from_pylist([{**named, **decided, "serving_version": serving}])
