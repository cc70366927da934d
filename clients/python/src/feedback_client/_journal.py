"""One process's part of a spool: a folder of segments, how far they are settled, and a lock that says it lives."""

import logging
import os
import struct
import sys
import zlib
from contextlib import suppress
from pathlib import Path

from feedback_client._identity import new_id
from feedback_client._locks import FileLock
from feedback_client._segments import HEADER, MAGIC, MAX_PAYLOAD, Segment, Unreadable, frames, pack
from feedback_client._wire import FEEDBACK, INFERENCE, Item

log = logging.getLogger("feedback_client")

CURSOR = struct.Struct("<QQ")
CHECK = struct.Struct("<I")
KINDS = {FEEDBACK.encode(): FEEDBACK, INFERENCE.encode(): INFERENCE}


class Journal:
    """Frames in order over several files. `read` looks from the last settled place on; `settle` moves it."""

    def __init__(self, folder: Path, lock: FileLock, segments: list[Segment], *, is_ours: bool) -> None:
        self.folder = folder
        self._lock = lock
        self._segments = segments
        self._is_ours = is_ours
        self._number = segments[-1].number if segments else 0
        self._at = self._next = len(MAGIC)
        self._cursor = os.open(folder / "cursor", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        self.bytes = sum(segment.size for segment in segments)

    @classmethod
    def create(cls, spool: Path) -> "Journal":
        """A new journal of this process in the folder `spool`; raises OSError."""
        name = new_id()
        # The lock comes first: a folder without one belongs to a process that is gone.
        lock = FileLock.acquire(spool / f"{name}.lock")
        if lock is None:
            raise OSError("the new lock is taken")
        try:
            (spool / name).mkdir(mode=0o700)
            return cls(spool / name, lock, [], is_ours=True)
        except OSError:
            lock.release(remove=True)
            raise

    @classmethod
    def adopt(cls, folder: Path) -> "Journal | None":
        """The journal a process left behind; None while that process lives, or where nothing is left to send.

        Raises OSError where it cannot be read.
        """
        lock = FileLock.acquire(folder.with_name(f"{folder.name}.lock"))
        if lock is None:
            return None
        if not folder.is_dir():
            lock.release(remove=True)
            return None
        try:
            segments = [Segment.open(path) for path in sorted(folder.glob("*.seg"))]
            readable = [segment for segment in segments if not _is_set_aside(segment)]
            journal = cls(folder, lock, readable, is_ours=False)
        except OSError:
            lock.release()
            raise
        journal._skip_settled()
        if not journal._segments:
            journal.remove()
            return None
        return journal

    def append(self, item: Item, segment_bytes: int) -> bool:
        """Adds an event; raises OSError, and then nothing was added. Answers whether a new file was begun."""
        frame = pack(item.kind.encode() + item.body)
        is_new = not self._segments or self._segments[-1].size + len(frame) > segment_bytes
        if is_new:
            self._segments.append(Segment.create(self.folder, self._number + 1))
            self._number += 1
            self.bytes += len(MAGIC)
            self._drop_finished()
        self._segments[-1].append(frame)
        self.bytes += len(frame)
        return is_new

    def read(self, events: int, bytes_: int) -> list[Item]:
        """The oldest unsettled events, at most so many and so large, at least one where there is any."""
        while self._segments:
            items = self._read_head(events, bytes_)
            if items or self._next == self._at:
                return items
            # Nothing but damage was read: on to what comes after it.
            self._at = self._next
            self._drop_finished()
        return []

    def settle(self) -> None:
        """What the last read answered is done; files that hold nothing else are deleted."""
        self._at = self._next
        self._drop_finished()
        if self._segments:
            place = CURSOR.pack(self._segments[0].number, self._at)
            with suppress(OSError):  # a lost place costs only duplicates, which the server knows
                os.lseek(self._cursor, 0, os.SEEK_SET)
                os.write(self._cursor, place + CHECK.pack(zlib.crc32(place)))

    def unsynced(self) -> int | None:
        """A descriptor of the file being written, to fsync and close."""
        return self._segments[-1].duplicate() if self._segments else None

    def leave(self) -> None:
        """Closes everything and lets go of the lock; whoever starts next goes on here."""
        for segment in self._segments:
            segment.close()
        os.close(self._cursor)
        self._lock.release()

    def remove(self) -> None:
        """Deletes the journal."""
        for segment in self._segments:
            segment.remove()
        os.close(self._cursor)
        (self.folder / "cursor").unlink(missing_ok=True)
        with suppress(OSError):  # something else lies in it: then it stays, and is looked at again
            self.folder.rmdir()
        self._lock.release(remove=not self.folder.exists())

    def _read_head(self, events: int, bytes_: int) -> list[Item]:
        head = self._segments[0]
        left = head.size - self._at
        block = head.read(self._at, min(left, bytes_ + events * (HEADER.size + 1)))
        items, used = self._parse(block, events, bytes_)
        if not used and len(block) < left:
            # One event larger than a batch may be: it goes alone.
            block = head.read(self._at, min(left, MAX_PAYLOAD + HEADER.size))
            items, used = self._parse(block, 1, bytes_)
        if not used and left:
            log.warning("the last %d bytes of %s hold no whole event and are left out", left, head.path)
            used = left
        self._next = self._at + used
        return items

    def _parse(self, block: bytes, events: int, bytes_: int) -> tuple[list[Item], int]:
        items: list[Item] = []
        used = 0
        try:
            for payload, end in frames(block):
                kind = KINDS.get(payload[:1]) if payload else None
                bytes_ -= len(payload or b"") + 1
                if len(items) >= events or (items and bytes_ < 0):
                    break
                if payload is None or kind is None:
                    log.error("an event in %s is damaged and cannot be sent", self._segments[0].path)
                else:
                    items.append(Item(kind, payload[1:]))
                used = end
        except Unreadable:
            pass
        return items, used

    def _is_closed(self, segment: Segment) -> bool:
        """Whether nobody writes to this segment any more."""
        return not self._is_ours or segment is not self._segments[-1]

    def _drop_finished(self) -> None:
        while self._segments and self._at >= self._segments[0].size and self._is_closed(self._segments[0]):
            head = self._segments.pop(0)
            self.bytes -= head.size
            head.remove()
            self._at = self._next = len(MAGIC)

    def _skip_settled(self) -> None:
        """Goes to the place the cursor names; where it is unreadable, to the start: duplicates are harmless."""
        told = os.read(self._cursor, CURSOR.size + CHECK.size)
        place, check = told[: CURSOR.size], told[CURSOR.size :]
        if len(told) != CURSOR.size + CHECK.size or CHECK.unpack(check)[0] != zlib.crc32(place):
            return
        number, at = CURSOR.unpack(place)
        while self._segments and self._segments[0].number < number:
            self._segments.pop(0).remove()
        if self._segments and self._segments[0].number == number:
            self._at = self._next = min(max(at, len(MAGIC)), self._segments[0].size)
        self._drop_finished()
        self.bytes = sum(segment.size for segment in self._segments)


def _is_set_aside(segment: Segment) -> bool:
    """Whether the file does not start as ours do: begun and never written, or not ours to delete."""
    if segment.has_magic():
        return False
    if segment.size < len(MAGIC):
        segment.remove()
    else:
        segment.close()
        log.error("%s is not a spool file of this version; it is left as it is", segment.path)
    return True


def sync_folder(folder: Path) -> None:
    """Makes the names of new files durable; Windows has no such call and needs none."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
