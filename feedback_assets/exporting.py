"""A day of the log as rows of Parquet: read from Postgres in pieces, flattened, in memory that does not grow."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from sqlmodel import Session, col, select

from feedback_assets.lake import BATCH_ROWS, note_of
from feedback_ingest import log
from feedback_ingest.log import Logged
from feedback_ingest.sealed import segments
from feedback_ingest.sealed.tables import SealedEvent
from feedback_ingest.tables import FeedbackEvent
from feedback_loop.learning.context import CONTEXT_ANSWERED, answer_rows
from feedback_loop.learning.rows import inference_row

if TYPE_CHECKING:
    import pyarrow as pa

Sessions = Callable[[], AbstractContextManager[Session]]
PIECE, CHUNK = 5_000, 500
PIECE_BYTES = 16_777_216
"""A piece ends with the chunk whose bodies fill it, so that it is small however large events are."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is exported: received from `start` to `end` (exclusive), up to an offset."""

    start: datetime
    end: datetime
    upto_offset: int


@dataclass(frozen=True, slots=True)
class Note:
    """What a file says of itself: how far it goes, what it leaves out, and which version of us wrote it."""

    upto_offset: int
    unreadable: list[int]
    written_by: str

    @classmethod
    def read(cls, text: str) -> "Note | None":
        """The note of a file; None for a file that has none, or one that another version of us wrote otherwise."""
        try:
            return msgspec.json.decode(text.encode(), type=cls)
        except msgspec.DecodeError:  # also where it is JSON of another shape
            return None


class Export:
    """The facts of one kind (`feedback`, `inference`, `context_answered`) of a span, in order of offset.

    Facts never change, so a file that an earlier export wrote can be gone on from: give it as `earlier`, and only what
    came after it is read from the log. `unreadable` lists, once all batches were taken, the offsets of rows that this
    version cannot read: they are left out of the table and told, so that one strange event does not stop the day.
    """

    def __init__(self, sessions: Sessions, kind: str, span: Span, earlier: Path | None = None) -> None:
        self._sessions = sessions
        self._kind = kind
        self._span = span
        self._earlier = earlier
        self.unreadable: list[int] = []

    def reader(self) -> "pa.RecordBatchReader":
        """The rows, flat (FEEDBACK_SCHEMA, INFERENCE_SCHEMA or CONTEXT_SCHEMA); can be taken once."""
        import pyarrow as pa

        from feedback_loop.learning.schemas import CONTEXT_SCHEMA, FEEDBACK_SCHEMA, INFERENCE_SCHEMA

        schema = {"feedback": FEEDBACK_SCHEMA, "inference": INFERENCE_SCHEMA}.get(self._kind, CONTEXT_SCHEMA)
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema))

    def note(self) -> str:
        """What the file is to say of itself, once all batches were taken."""
        return orjson.dumps(asdict(Note(self._span.upto_offset, self.unreadable, _version()))).decode()

    def _batches(self, schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
        known = self._known(schema)
        if known is not None and self._earlier is not None:
            self.unreadable += [offset for offset in known.unreadable if offset <= self._span.upto_offset]
            yield from _kept(self._earlier, schema, self._span.upto_offset)
        for piece in self._pieces(known.upto_offset if known is not None else 0):
            yield self._flat(piece, schema)

    def _known(self, schema: "pa.Schema") -> Note | None:
        """The note of the earlier file, where it can be gone on from: it must hold the same columns, by the same us."""
        import pyarrow.parquet as pq

        if self._earlier is None or not self._earlier.exists():
            return None
        note = Note.read(note_of(self._earlier))
        same = pq.read_schema(self._earlier).remove_metadata().equals(schema)
        return note if note is not None and note.written_by == _version() and same else None

    def _flat(self, piece: Sequence[Logged], schema: "pa.Schema") -> "pa.RecordBatch":
        import pyarrow as pa

        from feedback_loop.learning.flattening import flat_feedback

        if self._kind == "feedback":
            flat = flat_feedback(piece)
            self.unreadable += flat.unreadable
            return flat.batch
        logged = (log.row_of(row) for row in piece)
        if self._kind == CONTEXT_ANSWERED:
            return pa.RecordBatch.from_pylist([row for each in logged for row in answer_rows(each)], schema)
        return pa.RecordBatch.from_pylist([inference_row(each) for each in logged], schema)

    def _pieces(self, after: int) -> Iterator[Sequence[Logged]]:
        """The rows, from files as far as the log is sealed, then from its table."""
        with self._sessions() as session:
            while True:
                for offsets in self._sealed(session, after):
                    yield [row for _, row in sorted(log.texts_at(session, offsets).items())]
                after = max(after, segments.through(session))
                yield from self._stored(session, after)
                if segments.through(session) <= after:  # else it was sealed while we looked, and nothing was found
                    return

    def _sealed(self, session: Session, after: int) -> Iterator[Sequence[int]]:
        while True:
            wanted = select(SealedEvent.log_offset).where(*self._mine(SealedEvent, after))
            offsets = session.exec(wanted.order_by(col(SealedEvent.log_offset)).limit(PIECE)).all()
            if not offsets:
                return
            yield offsets
            after = offsets[-1]

    def _stored(self, session: Session, after: int) -> Iterator[Sequence[Logged]]:
        """By psycopg itself: the rows SQLAlchemy makes of its rows take longer than all that is done with them here."""
        conditions = (*self._mine(FeedbackEvent, after), segments.nothing_sealed_behind(after))
        wanted = select(*log.COLUMNS).where(*conditions).order_by(col(FeedbackEvent.log_offset))
        connection = session.connection()
        query = wanted.compile(connection)
        with closing(connection.connection.cursor(binary=True)) as cursor:
            yield from _cut_up(cursor.stream(str(query), query.params, size=CHUNK))

    def _mine(self, table: type[FeedbackEvent] | type[SealedEvent], after: int) -> tuple[Any, ...]:
        return (
            table.kind == self._kind,
            col(table.received_at) >= self._span.start,
            col(table.received_at) < self._span.end,
            col(table.log_offset) > after,
            col(table.log_offset) <= self._span.upto_offset,
        )


def _cut_up(rows: Iterator[Logged]) -> Iterator[Sequence[Logged]]:
    piece: list[Logged] = []
    size = 0
    while chunk := list(islice(rows, CHUNK)):
        piece += chunk
        size += sum(len(row[-1]) for row in chunk)
        if len(piece) >= PIECE or size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _kept(path: Path, schema: "pa.Schema", upto_offset: int) -> "Iterator[pa.RecordBatch]":
    """The rows of an earlier file, as far as the offset."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            known = batch.filter(pc.less_equal(batch["log_offset"], upto_offset))
            yield pa.RecordBatch.from_arrays(known.columns, schema=schema)


def _version() -> str:
    return version("feedback-loop")
