"""Enrichers, one a file: what is added to a feedback from what is already known of its inference."""

from feedback_loop.learning.enrichers._base import Enricher, collect
from feedback_loop.learning.enrichers._table import enrich, enriched

__all__ = ["Enricher", "collect", "enrich", "enriched"]
