"""Enrichment of one inference with all enrichers, and of a whole table of attributed feedback."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_loop.learning.enrichers._base import Enricher, HistoryEnricher, collect, collect_history, told

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import ArrayValue

ASKED = ("answer_text", "inputs", "inputs_ref")
"""What of the inference is told besides: what it was asked, and said."""


def _all() -> dict[str, type[Enricher] | type[HistoryEnricher]]:
    return {**collect(), **collect_history()}


def enrich(inference: Mapping[str, Any]) -> dict[str, Any]:
    """What every enricher of inferences adds to one inference row, in one dict, and which of them are `missing`."""
    return told((name, enricher().enrich(inference)) for name, enricher in collect().items())


def enriched(attributed: "ibis.Table", inferences: "ibis.Table", every: "ibis.Table | None" = None) -> "ibis.Table":
    """`attributed` with the enrichers' columns, what is `missing`, and answer_text, inputs, inputs_ref.

    ENRICHED_SCHEMA (an enricher of an installed package adds its columns); what is known of the inference is null where
    the feedback is pending. `every` is all the feedback of the log; give it when `attributed` is a part of it.
    """
    by_name = {name: enricher.columns for name, enricher in _all().items()}
    asked = known(inferences)
    of_inference = [column for name in collect() for column in by_name[name]] + list(ASKED)
    wide = asked.select(*of_inference, e_project=asked.project_id, e_request=asked.inference_request_id)
    same = [attributed.project_id == wide.e_project, attributed.inference_request_id == wide.e_request]
    table = attributed.left_join(wide, same).select(*attributed.columns, *of_inference)
    for name, history in collect_history().items():
        said = history().expression(attributed, attributed if every is None else every)
        said = said.select(*by_name[name], e_offset=said.log_offset)
        table = table.left_join(said, table.log_offset == said.e_offset).drop("e_offset")
    added = [column for columns in by_name.values() for column in columns]
    return table.mutate(missing=_missing(table, by_name)).select(*attributed.columns, *added, "missing", *ASKED)


def _missing(table: "ibis.Table", by_name: Mapping[str, tuple[str, ...]]) -> "ArrayValue":
    """The names of those all of whose columns are null."""
    import ibis

    missing = []
    for name in sorted(by_name):
        is_unknown = ibis.and_(*(table[column].isnull() for column in by_name[name]))
        missing.append(ibis.ifelse(is_unknown, name, ibis.null("string")))
    return ibis.array(missing).filter(lambda name: name.notnull())


def known(inferences: "ibis.Table") -> "ibis.Table":
    """`inferences` (INFERENCE_SCHEMA) with what every enricher of inferences adds to them."""
    for enricher in collect().values():
        inferences = enricher().expression(inferences)
    return inferences
