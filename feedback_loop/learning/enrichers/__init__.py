"""Enrichers, one a file: what is added to a feedback from what is already known of its inference and its session."""

from feedback_loop.learning.enrichers._base import (
    Enricher,
    HistoryEnricher,
    JudgingEnricher,
    SampleEnricher,
    collect,
    collect_by_sample,
    collect_history,
    collect_judging,
    told,
)
from feedback_loop.learning.enrichers._judging import (
    JUDGED_KEYS,
    flat,
    judged,
    judgements,
    judgements_schema,
    with_judgements,
)
from feedback_loop.learning.enrichers._table import Contexts, answers, enrich, enriched, known

__all__ = [
    "JUDGED_KEYS",
    "Contexts",
    "Enricher",
    "HistoryEnricher",
    "JudgingEnricher",
    "SampleEnricher",
    "answers",
    "collect",
    "collect_by_sample",
    "collect_history",
    "collect_judging",
    "enrich",
    "enriched",
    "flat",
    "judged",
    "judgements",
    "judgements_schema",
    "known",
    "told",
    "with_judgements",
]
