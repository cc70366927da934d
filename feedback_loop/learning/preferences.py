"""Preferences: which output was not preferred, where that is left to the inference; and the pairs a ranking implies."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import ArrayValue, IntegerValue, JSONValue, StringValue

PAIR = "preference_pair"
RANKING = "explicit_ranking"


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


def ranked_pairs(feedback: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """`preferred`, `rejected` and `tie` of each two outputs that a ranking names."""
    ranking = orjson.loads(feedback["feedback_value"])["ranking"]
    named = [
        (rank, name) for rank, place in enumerate(ranking) for name in ([place] if isinstance(place, str) else place)
    ]
    for (rank, better), (below, worse) in combinations(named, 2):
        yield {"preferred": better, "rejected": worse, "tie": rank == below}


def ranked_pairs_table(told: "ibis.Table") -> "ibis.Table":
    """The rankings among `told`, as if each two outputs that one names had been compared in a pair of their own."""
    import ibis

    ranked = told.filter(told.feedback_type == RANKING)
    ranked = ranked.mutate(places=_places(ranked))
    ranked = ranked.mutate(above=ranked.places.unnest())
    ranked = ranked.mutate(below=ranked.places.unnest())
    better, worse = ranked.above, ranked.below
    tie = better["rank"] == worse["rank"]
    pairs = ranked.filter((better["rank"] < worse["rank"]) | (tie & (better["name"] < worse["name"])))
    pair = {"feedback_type": ibis.literal(PAIR), "preferred": better["name"], "rejected": worse["name"], "tie": tie}
    return pairs.mutate(**pair).select(told.columns)


def _places(ranked: "ibis.Table") -> "ArrayValue":
    """Every output that a ranking names, with its rank."""
    import ibis

    def named(place: "JSONValue", rank: "IntegerValue") -> "ArrayValue":
        names = ibis.coalesce(place.array.map(lambda name: name.str), ibis.array([place.str]))
        return names.map(lambda name: ibis.struct({"rank": rank, "name": name}))

    return ranked.feedback_value.cast("json")["ranking"].array.map(named).flatten()
