"""Metrics, one a file: what feedback says of a model, as exact ratios per bucket of event time."""

from feedback_loop.learning.metrics._base import AmountColumns, Amounts, Contribution, Metric, collect
from feedback_loop.learning.metrics._contributions import bucket_start, contributions, inference_contributions
from feedback_loop.learning.metrics._interval import interval
from feedback_loop.learning.metrics._table import metrics_table

__all__ = [
    "AmountColumns",
    "Amounts",
    "Contribution",
    "Metric",
    "bucket_start",
    "collect",
    "contributions",
    "inference_contributions",
    "interval",
    "metrics_table",
]
