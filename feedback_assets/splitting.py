"""Which feedback of a day is kept and which is set aside, as ibis tables; the rules are in `expectations`."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from expectations.rules import Evidence
from expectations.validation import BROKEN, WARNED, measured
from feedback_assets.policies import Decided

if TYPE_CHECKING:
    import ibis


def evidence(
    feedback: "ibis.Table",
    inferences: "ibis.Table",
    span: tuple[datetime, datetime],
    upto_offset: int,
    decided: Decided,
) -> Evidence:
    """What the rules may look at when they judge the feedback received within `span` (end exclusive).

    `feedback` and `inferences` are those of all days; what the log got after `upto_offset` is left out.
    """
    history = feedback.filter(feedback.log_offset <= upto_offset)
    known = inferences.filter(inferences.log_offset <= upto_offset)
    day = history.filter(history.received_at >= span[0], history.received_at < span[1])
    return Evidence.gather(day, history, known, decided.policies, decided.ranges)


def judged(found: Evidence) -> "ibis.Table":
    """The rows under judgement, with what each rule measures, `broken_rules` and `warned_rules`."""
    return measured(found).drop("answered_at", "answered_label", "answered_text", "given_outputs")


def kept(judged: "ibis.Table") -> "ibis.Table":
    """The rows that break no rule, in the order of the log."""
    return judged.filter(judged[BROKEN].length() == 0).order_by("log_offset")


def set_aside(judged: "ibis.Table") -> "ibis.Table":
    """The rows that break a rule, in the order of the log."""
    return judged.filter(judged[BROKEN].length() > 0).order_by("log_offset")


def failing(judged: "ibis.Table", rule: str) -> "ibis.Table":
    """The rows that break one rule, set aside for it or not."""
    return judged.filter(judged[BROKEN].contains(rule) | judged[WARNED].contains(rule))


def broken_counts(table: "ibis.Table") -> list[dict[str, Any]]:
    """How many rows break each rule; a row may break several."""
    named = table.select(rule=table[BROKEN].unnest())
    found: list[dict[str, Any]] = (
        named.group_by("rule").agg(rows=named.count()).order_by("rule").to_pyarrow().to_pylist()
    )
    return found
