"""Validation of feedback: what each rule measures, which rows go to quarantine, and what Great Expectations finds.

The bounds of a rule are written once and read twice: by the mask that sets rows aside, in the engine that holds the
rows, and by Great Expectations, which decides whether the check is green. A check where the two disagree is red.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from expectations.rules import Evidence, Reference, RowRule, Rule, collect
from feedback_ingest.settings import decline_telemetry

if TYPE_CHECKING:
    import ibis
    import pandas as pd
    import pyarrow as pa
    from great_expectations.expectations import Expectation

BROKEN = "broken_rules"
"""The column that names the rules a row breaks: a list of texts, empty where all is well."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule says of one table: it applies to `applies` rows, of which `unexpected` do not keep it."""

    name: str
    success: bool
    applies: int
    unexpected: int
    note: str


def measured(evidence: Evidence) -> "ibis.Table":
    """The rows under judgement with every rule's column and `broken_rules`."""
    import ibis

    rows = evidence.feedback
    for rule in collect().values():
        rows = rule().measure(rows, evidence)
    broken = [is_broken(rows, rule).ifelse(name, None) for name, rule in collect().items() if issubclass(rule, RowRule)]
    return rows.mutate({BROKEN: ibis.array(broken).filter(lambda name: name.notnull())})


def is_broken(rows: "ibis.Table", rule: type[RowRule]) -> Any:
    """Whether each row lies outside the rule's bounds; false where the rule does not apply."""
    column = rows[rule.column]
    outside = []
    if rule.minimum is not None:
        outside.append(column < rule.minimum)
    if rule.maximum is not None:
        outside.append(column > rule.maximum)
    return reduce(or_, outside).fill_null(False)


def references(evidence: Evidence) -> dict[str, Reference]:
    """What each rule compares with, by the rule's name."""
    return {name: rule().reference(evidence) for name, rule in collect().items()}


def validate(rows: "pa.Table", compared_with: Mapping[str, Reference]) -> list[RuleResult]:
    """Asks Great Expectations about `rows` (of `measured`), one result a rule, in the order of their names.

    The first call in a process imports Great Expectations: 4 s and 250 MB.
    """
    decline_telemetry()
    asked = {name: rule().expectation(compared_with.get(name, {})) for name, rule in collect().items()}
    frame = rows.select(sorted({rule.column for rule in collect().values()})).to_pandas()
    found = _run({name: expectation for name, expectation in asked.items() if expectation is not None}, frame)
    broken = Counter(rows.column(BROKEN).combine_chunks().flatten().to_pylist())
    return [_result(rule, found.get(name), rows, broken[name]) for name, rule in collect().items()]


def _result(rule: type[Rule], found: Any, rows: "pa.Table", broken: int) -> RuleResult:
    applies = len(rows) - rows.column(rule.column).null_count
    if found is None:
        return RuleResult(rule.name, True, 0, 0, "nothing to compare with yet")
    if found.exception_info.get("raised_exception"):
        return RuleResult(rule.name, False, applies, broken, str(found.exception_info.get("exception_message")))
    counted = found.result.get("unexpected_count", 0)
    if issubclass(rule, RowRule) and counted != broken:
        note = f"Great Expectations finds {counted} rows, the quarantine holds {broken}: mend the rule"
        return RuleResult(rule.name, False, applies, broken, note)
    observed = found.result.get("observed_value")
    return RuleResult(rule.name, bool(found.success), applies, counted, f"observed {observed}" if observed else "")


def _run(asked: "Mapping[str, Expectation]", frame: "pd.DataFrame") -> dict[str, Any]:
    """Great Expectations' results by rule, from one pass over the frame; nothing is stored, nobody is told."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("feedback")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": frame})
    for name, expectation in asked.items():
        expectation.meta = {"rule": name}
    suite = gx.ExpectationSuite(name="feedback", expectations=list(asked.values()))
    results = batch.validate(suite, result_format="BASIC").results
    return {one.expectation_config.meta["rule"]: one for one in results if one.expectation_config}
