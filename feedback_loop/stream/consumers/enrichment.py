"""Enrichment: what the enrichers add to each feedback, kept once its inference is known."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_ingest.settings import Settings
from feedback_loop.learning.enrichers import collect, told
from feedback_loop.stream.consumers._base import Batch, Change, Consumer
from feedback_loop.stream.enrichments import added_to
from feedback_loop.stream.tables import LiveEnrichment
from feedback_loop.stream.writing import copy, json_text

id_of = itemgetter("project_id", "feedback_id")


class Enrichment(Consumer):
    """Asks every enricher about the inference of each feedback, once, and keeps what each says under its name."""

    name: ClassVar[str] = "enrichment"
    after: ClassVar[tuple[str, ...]] = ("attribution",)
    tables: ClassVar[tuple[type[SQLModel], ...]] = (LiveEnrichment,)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._enrichers = [enricher() for enricher in collect().values()]

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Fills `batch.enriched` once the table holds it."""
        rows = []
        for change in _linked(batch.changes):
            assert change.inference is not None, "a linked feedback has its inference"
            key = id_of(change.after)
            answers = [(enricher.name, enricher.enrich(change.inference)) for enricher in self._enrichers]
            batch.enriched[key] = told(answers)
            rows += [(*key, name, json_text(answer)) for name, answer in answers]
        if rows:
            copy(cursor, LiveEnrichment, rows)

    def recall(self, batch: Batch, cursor: Cursor[Any]) -> None:
        """What was added to the feedback that the batch linked to an inference."""
        batch.enriched |= added_to(cursor, [id_of(change.after) for change in _linked(batch.changes)])


def _linked(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes by which a feedback's inference became known: at most one of each feedback."""
    for change in changes:
        was_known = change.before is not None and change.before["inference_offset"] is not None
        if not was_known and change.after["inference_offset"] is not None:
            yield change
