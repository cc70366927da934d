"""Splitting whole tables by segment: the same as `segments_of` every place."""

from typing import TYPE_CHECKING

from feedback_loop.learning.segments import AGAINST, ALL, OTHER, split

if TYPE_CHECKING:
    import ibis


def spread(places: "ibis.Table", admitted: "ibis.Table") -> "ibis.Table":
    """Each place once for every segment that it counts in; `admitted` has project_id, name and value."""
    import ibis

    compared = ibis.literal(f"{AGAINST}=") + places.against
    whole = places.mutate(segment=ibis.ifelse(places.against.notnull(), compared, ALL))
    texts = places.select("project_id", "own", "asked").distinct()
    texts = texts.filter(texts.own.notnull() | texts.asked.notnull())
    keyed = _segments(texts, admitted)
    same = [
        places.project_id == keyed.s_project,
        places.own.identical_to(keyed.s_own),
        places.asked.identical_to(keyed.s_asked),
    ]
    named = places.inner_join(keyed, same)
    return ibis.union(*(table.select(*places.columns, "segment") for table in (whole, named)))


def _segments(texts: "ibis.Table", admitted: "ibis.Table") -> "ibis.Table":
    """The segments of each pair of columns: values that were not admitted are `other`, names are none."""
    import ibis

    # Where both have a name, the inference's value is taken.
    both = ibis.union(*(texts.mutate(segments=texts[side], side=ibis.literal(side)) for side in ("asked", "own")))
    found = split(both)
    first = found.group_by(["project_id", "own", "asked", "name"]).agg(value=found.value.argmin(found.side))
    names = admitted.select("project_id", "name").distinct()
    known = admitted.select(k_project=admitted.project_id, k_name=admitted.name, k_value=admitted.value)
    named = first.semi_join(names, ["project_id", "name"])
    same = [named.project_id == known.k_project, named.name == known.k_name, named.value == known.k_value]
    keyed = named.left_join(known, same)
    value = ibis.ifelse(keyed.k_value.notnull(), keyed.value, OTHER)
    return keyed.select(
        s_project=keyed.project_id, s_own=keyed.own, s_asked=keyed.asked, segment=keyed.name + "=" + value
    )
