"""The import of a file: each line through the one core behind every door, going on where a killed import was.

Doing it twice stores nothing twice: feedback without an id is named by its project and by all lines up to its own.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid5

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.decisions import COMMAND_LINE, OPERATOR
from feedback_ingest.errors import EventTooLarge, FeedbackError, Overloaded, StorageUnavailable
from feedback_ingest.held import Held
from feedback_ingest.idempotency import NAMESPACE
from feedback_ingest.imports.bookmarks import Bookmark, Progress
from feedback_ingest.imports.events import Event, advice_for, event_of
from feedback_ingest.imports.lines import JsonLines, open_lines
from feedback_ingest.intake import FEEDBACK, INFERENCE, Intake, Kind, Verdict
from feedback_ingest.log import Item
from feedback_ingest.receive import Sender

CHUNK_EVENTS = 1_000
CHUNK_BYTES = 4_194_304
GIVE_UP_S = 60.0
T = TypeVar("T")


def operator(project_id: int, backfill: bool) -> Sender:
    """Who imports: an operator at the shell, for one project; `backfill` lets in what is older than 400 days."""
    return Sender(COMMAND_LINE, project_id, OPERATOR | ({"backfill"} if backfill else set()))


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was not stored and why; `advice` says more where the line is of neither kind or of both."""

    line: int
    error: FeedbackError
    advice: str = ""


@dataclass(frozen=True, slots=True)
class OnceHeld(Intake):
    """The intake of an import: a line that is in the quarantine from an earlier run is not put there again."""

    known: set[bytes]

    def _to_hold(
        self, kind: Kind, events: Sequence[bytes], looked: Sequence[Item | FeedbackError], sender: Sender, now: datetime
    ) -> list[Held]:
        return self._new(Intake._to_hold(self, kind, events, looked, sender, now))

    async def _hold(self, held: list[Held]) -> None:
        await Intake._hold(self, self._new(held))

    def _new(self, held: list[Held]) -> list[Held]:
        by_digest = {hashlib.sha256(row.body).digest(): row for row in held}
        return [row for digest, row in by_digest.items() if digest not in self.known]


def held_before(session: Session, project_id: int) -> set[bytes]:
    """The SHA-256 of every line that imports have put into the project's quarantine."""
    wanted = "SELECT sha256(body) FROM staging.quarantined_items WHERE project_id = :project AND key_id = :key"
    rows = session.execute(text(wanted), {"project": project_id, "key": COMMAND_LINE})
    return {bytes(row[0]) for row in rows}


@dataclass(slots=True)
class Pace:
    """At most `rate` events a second, counted from the start; None is as fast as the log takes them."""

    rate: float | None
    _began_s: float = field(default_factory=monotonic_s)
    _sent: int = 0

    @property
    def chunk_events(self) -> int:
        """Events of one chunk: about a fifth of a second's."""
        return CHUNK_EVENTS if self.rate is None else max(1, min(CHUNK_EVENTS, int(self.rate / 5)))

    async def wait(self, events: int) -> None:
        """Returns when `events` more may be sent."""
        if self.rate is not None:
            await asyncio.sleep(max(0.0, self._began_s + self._sent / self.rate - monotonic_s()))
            self._sent += events


@dataclass(slots=True)
class FileImport:
    """One file on its way into the log.

    `told` is called with each line that is not stored, `came` with the file after each chunk.
    """

    intake: OnceHeld
    sender: Sender
    file: Path
    bookmark: Bookmark
    pace: Pace
    max_line_bytes: int
    max_known: int
    told: Callable[[BadLine], None]
    came: Callable[[JsonLines, Progress], None]
    progress: Progress = field(default_factory=Progress)
    resumed_after: int = 0

    async def run(self) -> Progress:
        """Sends every line that is not known to be sent; raises FileUnreadable, or what the log raises for a minute."""
        kept = self.bookmark.read()
        with open_lines(self.file, self.max_line_bytes) as lines:
            if kept is not None:
                lines.skip(kept.lines)
            if kept is not None and (lines.line, lines.digest) == (kept.lines, kept.digest):
                self.progress, self.resumed_after = kept, kept.lines
                await self._send_all(lines)
                return self.progress
        with open_lines(self.file, self.max_line_bytes) as lines:
            await self._send_all(lines)
        return self.progress

    async def _send_all(self, lines: JsonLines) -> None:
        events: list[Event] = []
        size = 0
        for raw in lines:
            if raw is None:
                self._end(BadLine(lines.line, EventTooLarge()), "refused")
            elif raw.strip():
                events.append(event_of(lines.line, raw, lambda: self._name(lines)))
                size += len(raw)
            if len(events) >= self.pace.chunk_events or size >= CHUNK_BYTES:
                await self._send(events, lines)
                events, size = [], 0
        await self._send(events, lines)
        self.bookmark.remove()

    def _name(self, lines: JsonLines) -> str:
        return str(uuid5(NAMESPACE, f"import/{self.sender.project_id}/{lines.digest}"))

    async def _send(self, events: list[Event], lines: JsonLines) -> None:
        """One chunk, its inferences before its feedback; then the bookmark moves."""
        await self.pace.wait(len(events))
        for kind in (INFERENCE, FEEDBACK):
            mine = [event for event in events if event.kind is kind]
            if mine:
                verdicts = await _persistently(lambda kind=kind, mine=mine: self._take(kind, mine))  # type: ignore[misc]
                for event, verdict in zip(mine, verdicts, strict=True):
                    self._ended(event, verdict)
        self.progress.lines, self.progress.digest = lines.line, lines.digest
        self.bookmark.keep(self.progress)
        self.came(lines, self.progress)

    async def _take(self, kind: Kind, events: list[Event]) -> list[Verdict]:
        raws, names = [event.raw for event in events], [event.name for event in events]
        return await self.intake.take(kind, raws, self.sender, utc_now(), names=names)

    def _ended(self, event: Event, verdict: Verdict) -> None:
        if verdict.error is None:
            self.progress.counts[verdict.status] += 1
            return
        if len(self.intake.known) < self.max_known:
            self.intake.known.add(hashlib.sha256(event.raw).digest())
        self._end(BadLine(event.line, verdict.error, advice_for(event.marks)), verdict.status)

    def _end(self, bad: BadLine, status: str) -> None:
        self.progress.counts[status] += 1
        self.told(bad)


async def _persistently(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives, tried again for a minute while the log is away or full; nothing is stored twice."""
    ends, pause = monotonic_s() + GIVE_UP_S, 0.05
    while True:
        try:
            return await work()
        except (Overloaded, StorageUnavailable):
            if monotonic_s() > ends:
                raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
