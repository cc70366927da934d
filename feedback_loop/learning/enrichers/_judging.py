"""Judgements: what the enrichers by a reward model say of one answer, of a run of them, and beside a whole table."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from feedback_loop.learning.enrichers._base import Row, collect_judging
from feedback_loop.learning.judges import Judges

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

JUDGED_KEYS = {
    "project_id": "int32",
    "inference_request_id": "string",
    "log_offset": "int64",
    "received_at": "timestamp('UTC', 6)",
    "model_name": "string",
    "model_version": "string",
}
"""What a judgement says of the answer it is about."""


def columns() -> dict[str, str]:
    """The columns of all enrichers by a reward model, each with its type."""
    return {name: kind for enricher in collect_judging().values() for name, kind in enricher.columns.items()}


def judgements_schema() -> "pa.Schema":
    """JUDGED_KEYS and the enrichers' columns."""
    import ibis

    return ibis.schema({**JUDGED_KEYS, **columns()}).to_pyarrow()


def judged(inference: Row, judges: Judges) -> dict[str, dict[str, Any]]:
    """What each says of one inference row, by name; nothing where no judge is in force."""
    judge = judges.of(inference)
    if judge is None:
        return {}
    return {name: enricher().enrich(inference, judge) for name, enricher in collect_judging().items()}


def flat(said: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What was `judged`, in one dict."""
    return {column: value for each in said.values() for column, value in each.items()}


def judgements(inferences: Iterable[Row], judges: Judges) -> list[dict[str, Any]]:
    """One row (`judgements_schema`) for each of `inferences` that a judge was in force for."""
    told = ((row, judged(row, judges)) for row in inferences)
    return [{**{name: row[name] for name in JUDGED_KEYS}, **flat(said)} for row, said in told if said]


def with_judgements(table: "ibis.Table", found: "ibis.Table | None") -> "ibis.Table":
    """`table`, of inferences or of feedback, with what was judged of each inference, and `is_judged`.

    `found` are judgements of all the inferences it speaks of; None: nothing was judged.
    """
    import ibis

    if found is None:
        nothing: Mapping[str, Any] = {name: ibis.null(kind) for name, kind in columns().items()}
        return table.mutate(**nothing, is_judged=ibis.literal(False))
    said = found.select(
        *columns(), j_project=found.project_id, j_request=found.inference_request_id, is_judged=ibis.literal(True)
    )
    same = [table.project_id == said.j_project, table.inference_request_id == said.j_request]
    joined = table.left_join(said, same).drop("j_project", "j_request")
    return joined.mutate(is_judged=joined.is_judged.fill_null(False))
