"""Enrichers, one a file: what is added to a feedback from what is already known of its inference and its session."""

from feedback_loop.learning.enrichers._base import (
    Enricher,
    HistoryEnricher,
    SampleEnricher,
    collect,
    collect_by_sample,
    collect_history,
    told,
)
from feedback_loop.learning.enrichers._table import Contexts, answers, enrich, enriched, known

__all__ = [
    "Contexts",
    "Enricher",
    "HistoryEnricher",
    "SampleEnricher",
    "answers",
    "collect",
    "collect_by_sample",
    "collect_history",
    "enrich",
    "enriched",
    "known",
    "told",
]
