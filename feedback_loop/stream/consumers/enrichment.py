"""Enrichment: what the enrichers add to each feedback, kept once its inference is known."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_ingest.settings import Settings
from feedback_loop.learning.enrichers import answers, judged, told
from feedback_loop.learning.familiarity import version_of
from feedback_loop.stream.consumers._base import Batch, Change, Consumer
from feedback_loop.stream.contexts.remembering import Contexts, Given, Link
from feedback_loop.stream.contexts.sources_file import read_sources
from feedback_loop.stream.contexts.tables import LiveContext
from feedback_loop.stream.enrichments import added_to
from feedback_loop.stream.samples.keeping import learn, samples_of
from feedback_loop.stream.samples.tables import LiveSample
from feedback_loop.stream.tables import LiveEnrichment
from feedback_loop.stream.writing import copy, json_text

id_of = itemgetter("project_id", "feedback_id")


class Enrichment(Consumer):
    """Asks every enricher about the inference of each feedback, once, and keeps what each says under its name.

    What sources outside the log know is asked for beside the stream, and kept when the log answers. It also keeps a
    sample of what each version was trained on.
    """

    name: ClassVar[str] = "enrichment"
    after: ClassVar[tuple[str, ...]] = ("attribution",)
    tables: ClassVar[tuple[type[SQLModel], ...]] = (LiveEnrichment, LiveContext, LiveSample)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._sources = read_sources(settings)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Fills `batch.enriched` once the table holds it."""
        if batch.session is not None:
            learn(cursor, batch.session, [event.row for event in batch.events])
        links = list(_linked(batch.changes))
        samples = samples_of(cursor, [each.inference for each in links if each.inference is not None])
        given = self._context(batch, cursor, links) if self._sources else {}
        rows: list[tuple[Any, ...]] = []
        for change in links:
            assert change.inference is not None, "a linked feedback has its inference"
            key = id_of(change.after)
            said = answers(change.inference, samples.get(version_of(change.inference)))
            said += judged(change.inference, batch.judges).items()
            rows += [(*key, name, json_text(answer), None, None) for name, answer in said]
            for each in given.get(key, ()):
                said.append((each.source, {each.source: each.answer}))
                rows.append((*key, each.source, json_text(said[-1][1]), each.waits_for, each.late_answer))
            batch.enriched[key] = told(said)
        if rows:
            copy(cursor, LiveEnrichment, rows)
        batch.enriched |= added_to(cursor, _released(batch.changes))

    def _context(
        self, batch: Batch, cursor: Cursor[Any], changes: Sequence[Change]
    ) -> dict[tuple[int, str], list[Given]]:
        links = [Link(each.cause_offset, each.after, each.inference) for each in changes if each.inference is not None]
        return Contexts(self._sources, cursor, [event.row for event in batch.events], links).follow()

    def recall(self, batch: Batch, cursor: Cursor[Any]) -> None:
        """What was added to the feedback that the batch linked to an inference."""
        linked = [id_of(change.after) for change in _linked(batch.changes)]
        batch.enriched |= added_to(cursor, linked + _released(batch.changes))


def _linked(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes by which a feedback's inference became known: at most one of each feedback."""
    for change in changes:
        was_known = change.before is not None and change.before["inference_offset"] is not None
        if not was_known and change.after["inference_offset"] is not None:
            yield change


def _released(changes: Iterable[Change]) -> list[tuple[int, str]]:
    """The feedback that was held and is attributed now."""
    return [id_of(change.after) for change in changes if change.before is not None and change.before["state"] == "held"]
