"""Metrics over whole tables, for the assets: the same numbers as the contributions of every row, summed."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from feedback_loop.learning.metrics._base import AmountColumns, Metric, collect
from feedback_loop.learning.metrics._registered import KINDS, Registered
from feedback_loop.learning.metrics._split import spread
from feedback_loop.learning.metrics._votes import VOTING, contested_answers
from feedback_loop.learning.metrics._weights import NARROW, SUM, weight_column, weighted_column
from feedback_loop.learning.metrics.disagreement import Disagreement

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue, NumericValue, StringValue, StructValue, TimestampValue

# A union wants equal types, nullability included.
_OF_ROW = {"project_id": "int32", "model_name": "string", "bucket_start": "timestamp('UTC', 6)"}
_SUMS = {"numerator": SUM, "denominator": SUM, "squares": "decimal(38, 12)", "weights": SUM}
_ADDED = {"metric": "string", "model_version": "string", "own": "string", "asked": "string", "against": "string"}
_PLACE = (*_OF_ROW, *_ADDED)
JUDGED = "is_judged"
"""A column that inferences have whose judgements stand beside them (enrichers.with_judgements)."""
_KEY = ("project_id", "model_name", "model_version", "metric", "segment", "bucket_start")


def metrics_table(
    feedback: "ibis.Table",
    inferences: "ibis.Table",
    admitted: "ibis.Table",
    bucket_s: int,
    registered: Sequence[Registered] = (),
    by: Sequence[str] = (),
) -> "ibis.Table":
    """One row per project, model, version, metric, segment and bucket of event time (METRICS_SCHEMA), in no order.

    Of `feedback` it reads columns of ATTRIBUTED_SCHEMA only; `inferences` (INFERENCE_SCHEMA) are the answers given,
    perhaps with their judgements, `admitted` the segments that are split by, `registered` the projects' own metrics.
    `by` names further columns of both tables to keep apart: what several feedback make together has those of the
    inference.
    """
    import ibis

    counted = feedback.filter(feedback.state == "attributed", ~feedback.is_undone, ~feedback.is_retraction)
    told = _told(counted, inferences, registered)
    votes = contested_answers(counted.filter(counted.feedback_type.isin(sorted(VOTING))))
    judged = _judged(inferences, votes)
    parts = [
        _placed(told, _of_feedback(told, bool(registered)), bucket_s, by),
        *(_placed(rows, _of_metric(metric, rows), bucket_s, by) for metric, rows in _implied(told)),
        _placed(inferences, _of_inferences(inferences, registered), bucket_s, by),
        _placed(
            judged,
            [_struct(Disagreement.name, Disagreement, AmountColumns(None, judged.differing, 1), judged)],
            bucket_s,
            by,
        ),
    ]
    places = _summed(ibis.union(*parts), (*by, *_PLACE))
    return _summed(spread(places, admitted), (*by, *_KEY))


def _told(counted: "ibis.Table", inferences: "ibis.Table", registered: Sequence[Registered]) -> "ibis.Table":
    """The feedback that counts with what metrics read of its inference, and the kind of the own metric it names."""
    import ibis

    known = inferences.select(
        i_project=inferences.project_id,
        i_request=inferences.inference_request_id,
        output_ids=inferences.output_ids,
        output_versions=inferences.output_versions,
        asked=inferences.segments,
    )
    same = [counted.project_id == known.i_project, counted.inference_request_id == known.i_request]
    told = counted.inner_join(known, same)
    told = told.mutate(weight=weight_column(told))
    kinds = [((told.project_id == each.project_id) & (told.metric == each.metric), each.kind) for each in registered]
    told = told.mutate(kind=ibis.cases(*kinds, else_=None) if kinds else ibis.null("string"))
    for metric in collect().values():
        told = metric().prepared(told)
    return told


def _of_feedback(told: "ibis.Table", has_own: bool) -> Iterable["StructValue"]:
    """What each feedback adds: in the metrics of its type, or in the metric of the project's own that it names."""
    for metric in collect().values():
        yield from _of_metric(metric(), told)
    for kind in KINDS.values() if has_own else ():
        for columns in kind.columns(told):
            named = (told.kind == kind.name).fill_null(False)
            yield _struct(told.metric, kind, _where(named, columns), told)


def _of_metric(metric: Metric, told: "ibis.Table") -> Iterable["StructValue"]:
    reads = None
    if metric.feedback_types is not None:
        reads = told.feedback_type.isin(sorted(metric.feedback_types)) & told.kind.isnull()
    for columns in metric.columns(told):
        yield _struct(metric.name, metric, _where(reads, columns), told)


def _implied(told: "ibis.Table") -> Iterable[tuple[Metric, "ibis.Table"]]:
    """What some metrics read beside the feedback itself."""
    for metric in (metric() for metric in collect().values()):
        rows = metric.implied(told)
        if rows is not None:
            yield metric, metric.prepared(rows)


def _of_inferences(inferences: "ibis.Table", registered: Sequence[Registered]) -> Iterable["StructValue"]:
    """1 to the denominator of every metric per answer given; of a project's own since it was registered; judgements."""
    for name, metric in collect().items():
        if metric.per_inference:
            yield _struct(name, metric, AmountColumns(None, 0, 1), inferences)
        for columns in metric().judged_columns(inferences) if JUDGED in inferences.columns else ():
            yield _struct(name, metric, columns, inferences)
    for own in registered:
        if KINDS[own.kind].per_inference:
            is_case = (inferences.project_id == own.project_id) & (inferences.log_offset > own.log_offset)
            yield _struct(own.metric, KINDS[own.kind], AmountColumns(is_case, 0, 1), inferences)


def _where(reads: "BooleanValue | None", columns: AmountColumns) -> AmountColumns:
    """The same for the rows that are read only."""
    if reads is None or columns.counts is None:
        return columns._replace(counts=columns.counts if reads is None else reads)
    return columns._replace(counts=reads & columns.counts)


def _judged(inferences: "ibis.Table", votes: "ibis.Table") -> "ibis.Table":
    votes = votes.select(v_project=votes.project_id, v_request=votes.inference_request_id, differing=votes.numerator)
    same = [inferences.project_id == votes.v_project, inferences.inference_request_id == votes.v_request]
    return inferences.inner_join(votes, same)


def _struct(
    name: "StringValue | str", metric: "Metric | type[Metric]", amounts: AmountColumns, table: "ibis.Table"
) -> "StructValue":
    """What a row of `table` adds to a metric, and in which segments; null where it does not count."""
    import ibis

    missing = ibis.null("string")
    weight = table.weight if "weight" in table.columns else ibis.literal(1)
    up, down = (weighted_column(_value(amount), weight) for amount in (amounts.numerator, amounts.denominator))
    by_inference = metric.per_inference or "weight" not in table.columns
    is_whole = amounts.against is not None
    asked = table.asked if "asked" in table.columns else table.segments
    fields = {
        "metric": name,
        "model_version": table.model_version if amounts.model_version is None else amounts.model_version,
        "own": missing if is_whole or by_inference else table.segments,
        "asked": missing if is_whole else asked,
        "against": amounts.against if is_whole else missing,
        "numerator": up,
        "denominator": down,
        "squares": 0 if metric.interval == "wilson" else up.cast(NARROW) * up.cast(NARROW),
        "weights": weighted_column(down, weight),
    }
    types = {**_ADDED, **_SUMS}
    added = ibis.struct({field: _value(value).cast(types[field]) for field, value in fields.items()})
    return added if amounts.counts is None else ibis.ifelse(amounts.counts, added, None)


def _placed(table: "ibis.Table", added: Iterable["StructValue"], bucket_s: int, by: Sequence[str]) -> "ibis.Table":
    """One row for everything that a row of `table` adds."""
    import ibis

    rows = table.select(
        *by,
        project_id=table.project_id,
        model_name=table.model_name,
        bucket_start=floored(table.occurred_at, bucket_s),
        added=ibis.array(list(added)).unnest(),
    )
    rows = rows.filter(rows.added.notnull())
    fields = {field: rows.added[field] for field in (*_ADDED, *_SUMS)}
    return rows.select(*by, *_OF_ROW, **fields).cast({**_OF_ROW, **_ADDED, **_SUMS})


def _summed(rows: "ibis.Table", keys: Sequence[str]) -> "ibis.Table":
    return rows.group_by(list(keys)).agg(**{name: rows[name].sum().cast(kind) for name, kind in _SUMS.items()})


def _value(amount: "NumericValue | StringValue | int | str") -> "NumericValue | StringValue":
    import ibis

    return ibis.literal(amount) if isinstance(amount, int | str) else amount


def floored(occurred_at: "TimestampValue", bucket_s: int) -> "TimestampValue":
    """`bucket_start` of a column. The remainder is taken off the time itself, so no session time zone plays a part."""
    import ibis

    epoch = ibis.timestamp("1970-01-01T00:00:00+00:00")
    since = occurred_at.delta(epoch, unit="microsecond")
    return occurred_at - (since % (bucket_s * 1_000_000)).as_interval("us")
