"""Enrichment of one inference with all enrichers, and of a whole table of attributed feedback."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.context import Asked, contexts
from feedback_loop.learning.enrichers._base import (
    Enricher,
    HistoryEnricher,
    SampleEnricher,
    collect,
    collect_by_sample,
    collect_history,
    collect_judging,
    told,
)
from feedback_loop.learning.enrichers._judging import with_judgements
from feedback_loop.learning.familiarity import Sample

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import ArrayValue, StringValue

ASKED = ("answer_text", "inputs", "inputs_ref", "embedding")
"""What of the inference is told besides: what it was asked, and said, and its embedding as logged."""


def _all() -> dict[str, type[Enricher] | type[SampleEnricher] | type[HistoryEnricher]]:
    return {**collect(), **collect_by_sample(), **collect_history()}


def enrich(inference: Mapping[str, Any], sample: Sample | None = None) -> dict[str, Any]:
    """What every enricher of inferences adds to one inference row, in one dict, and which of them are `missing`."""
    return told(answers(inference, sample))


def answers(inference: Mapping[str, Any], sample: Sample | None) -> list[tuple[str, dict[str, Any]]]:
    """What each enricher of inferences adds to one inference row, by its name; the sample is its version's.

    One that is not due and knows nothing is left out.
    """
    asked = [(name, enricher.is_due, enricher().enrich(inference)) for name, enricher in collect().items()]
    found = [(name, said) for name, is_due, said in asked if is_due or any(each is not None for each in said.values())]
    return found + [(name, enricher().enrich(inference, sample)) for name, enricher in collect_by_sample().items()]


class Contexts(NamedTuple):
    """What sources outside the log answered (CONTEXT_SCHEMA), and which of them are asked."""

    answers: "ibis.Table"
    asked: Sequence[Asked]


def enriched(
    attributed: "ibis.Table",
    inferences: "ibis.Table",
    every: "ibis.Table | None" = None,
    outside: Contexts | None = None,
    samples: Sequence[Sample] = (),
    judgements: "ibis.Table | None" = None,
) -> "ibis.Table":
    """`attributed` with the enrichers' columns, context, what is `missing`, and ASKED of the inference.

    ENRICHED_SCHEMA (an enricher of an installed package adds its columns); what is known of the inference is null where
    the feedback is pending. `every` is all the feedback of the log; give it when `attributed` is a part of it.
    `samples` are of what versions were trained on, `judgements` those of `enrichers.judgements` of all inferences.
    """
    by_name = {name: enricher.columns for name, enricher in _all().items()}
    asked = _beside_samples(known(inferences), attributed, samples)
    of_inference = [column for name in (*collect(), *collect_by_sample()) for column in by_name[name]] + list(ASKED)
    wide = asked.select(*of_inference, e_project=asked.project_id, e_request=asked.inference_request_id)
    same = [attributed.project_id == wide.e_project, attributed.inference_request_id == wide.e_request]
    table = attributed.left_join(wide, same).select(*attributed.columns, *of_inference)
    for name, history in collect_history().items():
        said = history().expression(attributed, attributed if every is None else every)
        said = said.select(*by_name[name], e_offset=said.log_offset)
        table = table.left_join(said, table.log_offset == said.e_offset).drop("e_offset")
    table = with_judgements(table, judgements)
    judging = {name: tuple(enricher.columns) for name, enricher in collect_judging().items()}
    added = [column for columns in (*by_name.values(), *judging.values()) for column in columns]
    table, sources = _with_context(table, outside)
    by_name |= {name: (column,) for name, column in sources.items()}
    by_name = {name: columns for name, columns in by_name.items() if name not in collect() or collect()[name].is_due}
    table = table.mutate(context=_context_text(table, sources), missing=_missing(table, by_name, judging))
    return table.select(*attributed.columns, *added, "context", "missing", *ASKED)


def _beside_samples(asked: "ibis.Table", attributed: "ibis.Table", samples: Sequence[Sample]) -> "ibis.Table":
    """Inferences with what enrichers by sample add; only those that feedback speaks of, where there is any sample."""
    if samples:
        asked = asked.semi_join(attributed, ["project_id", "inference_request_id"])
    for enricher in collect_by_sample().values():
        asked = enricher().expression(asked, samples)
    return asked


def _with_context(table: "ibis.Table", outside: Contexts | None) -> "tuple[ibis.Table, dict[str, str]]":
    """The table with a column for each source, and the columns by the sources' names."""
    if outside is None or not outside.asked:
        return table, {}
    found = contexts(table, outside.answers, outside.asked)
    sources = {each.source: f"source_{each.source}" for each in outside.asked}
    found = found.rename({column: name for name, column in sources.items()})
    return table.left_join(found, table.log_offset == found.e_offset).drop("e_offset"), sources


def _context_text(table: "ibis.Table", sources: Mapping[str, str]) -> "StringValue":
    """What the sources know as one JSON text by name; null where none knows anything."""
    import ibis

    if not sources:
        return ibis.null("string")
    parts = ibis.array([f'"{name}":' + table[sources[name]] for name in sorted(sources)]).filter(lambda x: x.notnull())
    return ibis.ifelse(parts.length() > 0, "{" + parts.join(",") + "}", ibis.null("string"))


def _missing(
    table: "ibis.Table", by_name: Mapping[str, tuple[str, ...]], judging: Mapping[str, tuple[str, ...]]
) -> "ArrayValue":
    """The names of those all of whose columns are null; of `judging` where a judge was in force."""
    import ibis

    missing = []
    for name, columns in sorted((*by_name.items(), *judging.items())):
        is_unknown = ibis.and_(*(table[column].isnull() for column in columns))
        is_missing = is_unknown & table.is_judged & table.inference_offset.notnull() if name in judging else is_unknown
        missing.append(ibis.ifelse(is_missing, name, ibis.null("string")))
    return ibis.array(missing).filter(lambda name: name.notnull())


def known(inferences: "ibis.Table") -> "ibis.Table":
    """`inferences` (INFERENCE_SCHEMA) with what every enricher of inferences adds to them."""
    for enricher in collect().values():
        inferences = enricher().expression(inferences)
    return inferences
