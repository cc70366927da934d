"""Frames in append-only files: length and CRC before each payload, so that a torn tail is seen and nothing is invented.

A file starts with `MAGIC`. A frame is the payload's length and a CRC-32 over length and payload, both 32 bits little
endian, then the payload.
"""

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC = b"FBSPOOL1"
HEADER = struct.Struct("<II")
LENGTH = struct.Struct("<I")
MAX_PAYLOAD = 4 * 1024 * 1024


class Frame(NamedTuple):
    """One frame of a block: its payload (None where the CRC does not fit) and where the next one starts."""

    payload: bytes | None
    end: int


class Unreadable(Exception):
    """From here on the file holds no frames: a length no writer wrote."""


def pack(payload: bytes) -> bytes:
    """The payload as a frame."""
    length = LENGTH.pack(len(payload))
    return length + LENGTH.pack(zlib.crc32(payload, zlib.crc32(length))) + payload


def frames(block: bytes) -> Iterator[Frame]:
    """The complete frames of a block; an incomplete last one is left out. Raises Unreadable."""
    at = 0
    while at + HEADER.size <= len(block):
        length, crc = HEADER.unpack_from(block, at)
        if not 0 < length <= MAX_PAYLOAD:
            raise Unreadable(at)
        start, at = at, at + HEADER.size + length
        if at > len(block):
            return
        payload = block[start + HEADER.size : at]
        yield Frame(payload if zlib.crc32(payload, zlib.crc32(block[start : start + 4])) == crc else None, at)


class Segment:
    """One file of frames; `size` is where the next frame goes, whatever a broken write may have left behind it."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path = path
        self.number = int(path.stem)
        self.size = size
        self._file = file

    @classmethod
    def create(cls, folder: Path, number: int) -> "Segment":
        """A new, empty segment that only its owner may read."""
        path = folder / f"{number:012d}.seg"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            file.write(MAGIC)
        except OSError:
            file.close()
            path.unlink()
            raise
        return cls(path, file, len(MAGIC))

    @classmethod
    def open(cls, path: Path) -> "Segment":
        """A segment another process wrote."""
        return cls(path, path.open("rb", buffering=0), path.stat().st_size)

    def has_magic(self) -> bool:
        """Whether this is a segment of this format."""
        return self.read(0, len(MAGIC)) == MAGIC

    def append(self, frame: bytes) -> None:
        """Writes a frame where the last one ended; raises OSError, and then the segment is as before."""
        self._file.seek(self.size)
        try:
            if self._file.write(frame) != len(frame):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with suppress(OSError):
                self._file.truncate(self.size)
            raise
        self.size += len(frame)

    def read(self, at: int, count: int) -> bytes:
        """Up to `count` bytes from `at`, not beyond the last frame."""
        self._file.seek(at)
        return self._file.read(max(min(count, self.size - at), 0)) or b""

    def duplicate(self) -> int:
        """A descriptor of the same file, for an fsync beside the writer."""
        return os.dup(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def remove(self) -> None:
        """Closes and deletes the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)
