"""Win rate: the share of comparisons with another version that a version's answer won."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import HALF, ONE, ZERO, AmountColumns, Amounts, Metric
from feedback_loop.learning.preferences import (
    PAIR,
    RANKING,
    ranked_pairs,
    ranked_pairs_table,
    rejected_column,
    rejected_of,
)

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import StringValue

LONGEST = 128
"""Characters of a version that is compared: it is told beside another one, in one key."""


class WinRate(Metric):
    """Each comparison counts for both sides: the versions whose outputs were compared, not the one that was asked.

    A ranking compares each two outputs that it names. A tie is half a win for each. Two outputs of one version say
    nothing about it, and an output that the inference did not log counts nowhere. By segment `against=VERSION` it is
    the share of the comparisons with that version alone, which is what the order of versions (Bradley-Terry) is worked
    out from.
    """

    name: ClassVar[str] = "win_rate"
    numerator: ClassVar[str] = "comparisons won, and half of those tied"
    denominator: ClassVar[str] = "comparisons with another version"
    silence: ClassVar[str] = "nothing: an answer that was compared with none has neither won nor lost"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({PAIR, RANKING})

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """For each side what it won of each comparison, in all and against the other."""
        if state["feedback_type"] == RANKING:
            return tuple(chain.from_iterable(_of_pair(pair, inference) for pair in ranked_pairs(state)))
        return _of_pair(state, inference)

    def implied(self, told: "ibis.Table") -> "ibis.Table":
        """The pairs of the rankings."""
        return ranked_pairs_table(told)

    def prepared(self, told: "ibis.Table") -> "ibis.Table":
        """With the versions on both sides of each preference."""
        told = told.mutate(win_rate_rejected=rejected_column(told))
        sides = {"win_rate_better": told.preferred, "win_rate_worse": told.win_rate_rejected}
        return told.mutate(**{name: _version_column(told, output_id) for name, output_id in sides.items()})

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        better, worse = told.win_rate_better, told.win_rate_worse
        counts = (better != worse).fill_null(False) & (told.feedback_type == PAIR)
        won, lost = (told.tie.ifelse(tied, amount).cast("decimal(38, 6)") for tied, amount in ((0.5, 1.0), (0.5, 0.0)))
        return tuple(
            AmountColumns(counts, amount, 1, model_version=one, against=against)
            for one, other, amount in ((better, worse, won), (worse, better, lost))
            for against in (None, other)
        )


def _of_pair(state: Mapping[str, Any], inference: Mapping[str, Any]) -> tuple[Amounts, ...]:
    better = _version_of(state["preferred"], inference)
    worse = _version_of(rejected_of(state, inference), inference)
    if better is None or worse is None or better == worse:
        return ()
    won, lost = (HALF, HALF) if state["tie"] else (ONE, ZERO)
    return tuple(
        Amounts(amount, ONE, model_version=one, against=against)
        for one, other, amount in ((better, worse, won), (worse, better, lost))
        for against in (None, other)
    )


def _version_of(output_id: str | None, inference: Mapping[str, Any]) -> str | None:
    ids = inference["output_ids"]
    versions = inference.get("output_versions")
    if output_id not in ids:
        return None
    version: str = versions[ids.index(output_id)] if versions else inference["model_version"]
    return version if len(version) <= LONGEST else None


def _version_column(told: "ibis.Table", output_id: "StringValue") -> "StringValue":
    import ibis

    place = told.output_ids.index(output_id)
    # Rows of an earlier version of this program have no versions by output.
    version = ibis.ifelse(told.output_versions.notnull(), told.output_versions[place], told.model_version)
    is_told = (place >= 0) & (version.length() <= LONGEST)
    return ibis.ifelse(is_told.fill_null(False), version, ibis.null("string"))
