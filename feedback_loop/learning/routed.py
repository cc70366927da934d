"""Routes over millions of rows: what `learning.routes` says of one row, as Ibis expressions over tables."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from feedback_loop.learning.routes import DEFAULT, Filter, Placed, Range, Sink, label_texts, pair_texts

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue

Book = Mapping[int, Sequence[Placed]]
"""The routes of each project that ever had any of its own; all others have the default route alone."""


def takes(where: Filter, table: "ibis.Table") -> "BooleanValue":
    """`Filter.takes` of every row of a table (ATTRIBUTED_SCHEMA)."""
    import ibis

    found: list[Any] = [ibis.literal(True)]
    if where.feedback_types is not None:
        found.append(table.feedback_type.isin(where.feedback_types))
    if where.model_name is not None:
        found.append((table.state != "pending") & (table.model_name == where.model_name))
    if where.model_version is not None:
        found.append(table.model_version == where.model_version)
    if where.metric is not None:
        found.append(table.metric == where.metric)
    if where.source_kinds is not None:
        found.append(table.source_kind.isin(where.source_kinds))
    for column, pairs in (("segments", where.segments), ("tags", where.tags)):
        for first, later in pair_texts(pairs or {}):
            found.append(table[column].contains(first) | table[column].contains(later))
    if where.reward is not None:
        found.append(_within(table.reward, where.reward))
    if where.labels is not None:
        found.append(table.label.isin(label_texts(where)))
    if where.label is not None:
        found.append(
            _within(ibis.ifelse(table.label.re_search(r"^-?[0-9]+$"), table.label, None).cast("float64"), where.label)
        )
    return reduce(and_, found).fill_null(False)


def _within(number: Any, span: Range) -> "BooleanValue":
    found = number.notnull()
    found = found if span.min is None else found & (number >= span.min)
    return found if span.max is None else found & (number <= span.max)


def reaches(table: "ibis.Table", book: Book, sink: Sink) -> "BooleanValue":
    """Whether each row (ATTRIBUTED_SCHEMA) is taken by a route that leads to `sink`."""
    import ibis

    others = ~table.project_id.isin(list(book)) if book else ibis.literal(True)
    found = _any(table, book, lambda placed: sink in placed.route.sinks)
    return found | others if sink in DEFAULT.sinks else found


def with_holds(
    table: "ibis.Table", book: Book, verdicts: "ibis.Table", released: "ibis.Table", newest: datetime
) -> "ibis.Table":
    """`table` (ATTRIBUTED_SCHEMA) with the column `is_held`: what `is_held` of `learning.routes` says of each row.

    `verdicts` has project_id, inference_request_id and the log_offset of each verdict, `released` project_id and
    feedback_id of each release; `newest` is the log's newest time of receipt.
    """
    said = verdicts.group_by("project_id", "inference_request_id").agg(verdict_offset=verdicts.log_offset.max())
    freed = released.select("project_id", "feedback_id").distinct().mutate(is_released=True)
    joined = table.left_join(said, ["project_id", "inference_request_id"], rname="said_{name}")
    joined = joined.left_join(freed, ["project_id", "feedback_id"], rname="freed_{name}")
    waits = _any(joined, book, lambda placed: placed.route.hold, newest)
    waits &= joined.verdict_offset.isnull() | (joined.verdict_offset <= joined.log_offset)
    return joined.select(*table.columns, is_held=waits & joined.is_released.isnull())


def _any(
    table: "ibis.Table", book: Book, wanted: Callable[[Placed], bool], newest: datetime | None = None
) -> "BooleanValue":
    """Whether a wanted route takes the row, and with `newest` whether its hold is not over by then."""
    import ibis

    found: list[Any] = [ibis.literal(False)]
    for project_id, placed in book.items():
        for each in filter(wanted, placed):
            counts = (table.project_id == project_id) & (table.log_offset > each.after)
            if each.upto is not None:
                counts &= table.log_offset <= each.upto
            if newest is not None:
                counts &= table.received_at > ibis.literal(newest - timedelta(seconds=each.route.hold_s))
            found.append(counts & takes(each.route.where, table))
    return reduce(or_, found)
