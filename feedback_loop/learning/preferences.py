"""Preferences: which output was not preferred, where the feedback leaves that to the inference."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import StringValue


def rejected_of(feedback: Mapping[str, Any], inference: Mapping[str, Any]) -> str | None:
    """The output that was not preferred: the one named, or the other one where the inference logged exactly two."""
    if feedback["preferred"] is None or feedback["rejected"] is not None:
        rejected: str | None = feedback["rejected"]
        return rejected
    others = [output_id for output_id in inference["output_ids"] if output_id != feedback["preferred"]]
    return others[0] if len(inference["output_ids"]) == 2 and len(others) == 1 else None


def rejected_column(told: "ibis.Table") -> "StringValue":
    """The same of every row of `told`, a table of feedback that has the output_ids of its inference."""
    import ibis

    ids = told.output_ids
    others = ids.filter(lambda output_id: output_id != told.preferred)
    is_implied = (ids.length() == 2) & (others.length() == 1)
    return ibis.ifelse(
        told.preferred.isnull() | told.rejected.notnull(),
        told.rejected,
        ibis.ifelse(is_implied.fill_null(False), others[0], ibis.null("string")),
    )
