"""Metrics over whole tables, for the assets: the same numbers as the contributions of every row, summed."""

from typing import TYPE_CHECKING

from feedback_loop.learning.metrics._base import Metric, collect

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import NumericValue, TimestampValue

_ROW = {
    "project_id": "int32",
    "model_name": "string",
    "model_version": "string",
    "bucket_start": "timestamp('UTC', 6)",
    "numerator": "decimal(20, 6)",
    "denominator": "decimal(20, 6)",
}


def metrics_table(enriched: "ibis.Table", inferences: "ibis.Table", bucket_s: int) -> "ibis.Table":
    """One row per project, model, version, metric and bucket of event time (METRICS_SCHEMA), in no order.

    Of `enriched` it reads columns of ATTRIBUTED_SCHEMA only; `inferences` are the answers given (INFERENCE_SCHEMA).
    """
    import ibis

    counted = enriched.filter(enriched.state == "attributed", ~enriched.is_undone, ~enriched.is_retraction)
    parts = []
    for metric in collect().values():
        parts.append(_of_feedback(metric(), counted, bucket_s))
        if metric.per_inference:
            parts.append(_rows(inferences, metric.name, 0, 1, bucket_s))
    rows = ibis.union(*parts)
    keys = ["project_id", "model_name", "model_version", "metric", "bucket_start"]
    return rows.group_by(keys).agg(
        numerator=rows.numerator.sum().cast("decimal(20, 6)"),
        denominator=rows.denominator.sum().cast("decimal(20, 6)"),
    )


def _of_feedback(metric: Metric, counted: "ibis.Table", bucket_s: int) -> "ibis.Table":
    if metric.feedback_types is not None:
        counted = counted.filter(counted.feedback_type.isin(sorted(metric.feedback_types)))
    counted = counted.filter(metric.columns(counted).counts)
    amounts = metric.columns(counted)
    return _rows(counted, metric.name, amounts.numerator, amounts.denominator, bucket_s)


def _rows(
    table: "ibis.Table", metric: str, numerator: "NumericValue | int", denominator: "NumericValue | int", bucket_s: int
) -> "ibis.Table":
    import ibis

    return table.select(
        project_id=table.project_id,
        model_name=table.model_name,
        model_version=table.model_version,
        metric=ibis.literal(metric),
        bucket_start=floored(table.occurred_at, bucket_s),
        numerator=_literal_or(numerator),
        denominator=_literal_or(denominator),
    ).cast(_ROW)  # a union wants equal types, nullability included


def _literal_or(amount: "NumericValue | int") -> "NumericValue":
    import ibis

    return ibis.literal(amount) if isinstance(amount, int) else amount


def floored(occurred_at: "TimestampValue", bucket_s: int) -> "TimestampValue":
    """`bucket_start` of a column. The remainder is taken off the time itself, so no session time zone plays a part."""
    import ibis

    epoch = ibis.timestamp("1970-01-01T00:00:00+00:00")
    since = occurred_at.delta(epoch, unit="microsecond")
    return occurred_at - (since % (bucket_s * 1_000_000)).as_interval("us")
