"""Validation of feedback: what each rule measures, which rows go to quarantine, and what Great Expectations finds.

The bounds of a rule are written once and read twice: by the mask that sets rows aside, in the engine that holds the
rows, and by Great Expectations, which decides whether the check is green. A check where the two disagree is red.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from expectations.pages import write_page
from expectations.rules import Evidence, Reference, RowRule, Rule, collect
from expectations.running import run
from feedback_loop.learning.policies.validation import Level, ValidationPolicy

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

BROKEN, WARNED = "broken_rules", "warned_rules"
"""The columns that name the rules a row breaks, each a list of texts: those that set it aside, those that only tell."""

POLICED = frozenset(field.name for field in msgspec.structs.fields(ValidationPolicy))
"""The rules that are as strict as a project's policy says."""

FEW = 10
"""Fewer rows than this hold no day back: on a quiet day one is a large share already."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule says of one table: it applies to `applies` rows, of which `unexpected` do not keep it.

    `blocks`: what follows from the rows must wait until they are mended.
    """

    name: str
    success: bool
    applies: int
    unexpected: int
    note: str
    blocks: bool = False


def measured(evidence: Evidence) -> "ibis.Table":
    """The rows under judgement with every rule's column, `broken_rules` and `warned_rules`."""
    import ibis

    rows = evidence.feedback
    for name, rule in collect().items():
        rows = rule().measure(rows, evidence)
        if name in POLICED:
            looks = ~_is_at(rows, name, evidence, "off")
            rows = rows.mutate({rule.column: looks.ifelse(rows[rule.column], None)})
    named: dict[str, list[Any]] = {BROKEN: [], WARNED: []}
    for name, rule in collect().items():
        if issubclass(rule, RowRule):
            fails = is_broken(rows, rule)
            warns = _is_at(rows, name, evidence, "warn") if name in POLICED else ibis.literal(False)
            named[BROKEN].append((fails & ~warns).ifelse(name, None))
            named[WARNED].append((fails & warns).ifelse(name, None))
    return rows.mutate(
        {column: ibis.array(names).filter(lambda name: name.notnull()) for column, names in named.items()}
    )


def is_broken(rows: "ibis.Table", rule: type[RowRule]) -> Any:
    """Whether each row lies outside the rule's bounds; false where the rule does not apply."""
    column = rows[rule.column]
    outside = []
    if rule.minimum is not None:
        outside.append(column < rule.minimum)
    if rule.maximum is not None:
        outside.append(column > rule.maximum)
    return reduce(or_, outside).fill_null(False)


def _is_at(rows: "ibis.Table", rule: str, evidence: Evidence, level: Level) -> Any:
    """Whether each row's project has the rule at `level`."""
    import ibis

    policies = evidence.policies
    found: list[Any] = [ibis.literal(getattr(ValidationPolicy(), rule) == level)]
    if policies:
        found = [found[0] & ~rows.project_id.isin(list(policies))]
    mine = [project_id for project_id, policy in policies.items() if getattr(policy, rule) == level]
    return reduce(or_, [*found, rows.project_id.isin(mine)] if mine else found)


def references(evidence: Evidence) -> dict[str, Reference]:
    """What each rule compares with, by the rule's name."""
    return {name: rule().reference(evidence) for name, rule in collect().items()}


def validate(
    rows: "pa.Table", compared_with: Mapping[str, Reference], page: Path | None = None, title: str = "feedback"
) -> list[RuleResult]:
    """Asks Great Expectations about `rows` (of `measured`), one result a rule, in the order of their names.

    `page`: where to write its own page of what it found. The first call in a process imports Great Expectations: 4 s
    and 250 MB.
    """
    asked = {name: rule().expectation(compared_with.get(name, {})) for name, rule in collect().items()}
    found = run(
        {name: expectation for name, expectation in asked.items() if expectation is not None},
        {name: _looked_at(rows.column(rule.column), rule) for name, rule in collect().items()},
    )
    if page is not None:
        write_page(found.values(), title, page)
    broken, warned = (Counter(rows.column(name).combine_chunks().flatten().to_pylist()) for name in (BROKEN, WARNED))
    return [_result(rule, found.get(name), rows, broken[name], warned[name]) for name, rule in collect().items()]


def _looked_at(column: "pa.ChunkedArray", rule: type[Rule]) -> "pa.ChunkedArray":
    """A rule about each row is not asked of rows that it does not apply to."""
    return column.drop_null() if issubclass(rule, RowRule) else column


def _result(rule: type[Rule], found: Any, rows: "pa.Table", broken: int, warned: int) -> RuleResult:
    applies = len(rows) - rows.column(rule.column).null_count
    failing = broken + warned
    if found is None:
        return RuleResult(rule.name, True, 0, 0, "nothing to compare with yet")
    if found.exception_info.get("raised_exception"):
        return RuleResult(rule.name, False, applies, failing, str(found.exception_info.get("exception_message")), True)
    counted = found.result.get("unexpected_count", 0)
    if issubclass(rule, RowRule) and counted != failing:
        note = f"Great Expectations finds {counted} rows, the quarantine holds {failing}: mend the rule"
        return RuleResult(rule.name, False, applies, failing, note, True)
    observed = found.result.get("observed_value")
    blocks = not found.success and rule.severity == "error" and broken >= FEW
    return RuleResult(
        rule.name, bool(found.success), applies, counted, f"observed {observed}" if observed else "", blocks
    )
