"""Metrics, one a file: what feedback says of a model, as exact ratios per bucket of event time."""

from feedback_loop.learning.metrics._base import (
    WIDE,
    AmountColumns,
    Amounts,
    Contribution,
    Metric,
    Place,
    collect,
    meaning_of,
)
from feedback_loop.learning.metrics._contributions import (
    Kinds,
    bucket_start,
    cases_of,
    contributions,
    inference_contributions,
    judged_contributions,
    segments_of,
    vote_contributions,
)
from feedback_loop.learning.metrics._interval import Z_95, Interval, effective, interval, interval_of, interval_of_share
from feedback_loop.learning.metrics._registered import KINDS, Registered, registered_metrics
from feedback_loop.learning.metrics._table import floored, metrics_table
from feedback_loop.learning.metrics._votes import VOTING, Vote, contested, vote_of
from feedback_loop.learning.metrics._weights import MOST_SAMPLED

__all__ = [
    "KINDS",
    "MOST_SAMPLED",
    "VOTING",
    "WIDE",
    "Z_95",
    "AmountColumns",
    "Amounts",
    "Contribution",
    "Interval",
    "Kinds",
    "Metric",
    "Place",
    "Registered",
    "Vote",
    "bucket_start",
    "cases_of",
    "collect",
    "contested",
    "contributions",
    "effective",
    "floored",
    "inference_contributions",
    "interval",
    "interval_of",
    "interval_of_share",
    "judged_contributions",
    "meaning_of",
    "metrics_table",
    "registered_metrics",
    "segments_of",
    "vote_contributions",
    "vote_of",
]
