"""Files of one JSON text a line, plain or gzip: read in memory that does not grow, with a digest of all read so far."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from feedback_ingest.errors import SetupError

GZIP = b"\x1f\x8b"
REMEDY = "what came before is imported, mend the file and run the import again"


class FileUnreadable(SetupError):
    """The file cannot be read to its end; what came before is imported, mend the file and run the import again."""


@dataclass(slots=True)
class JsonLines:
    """A file being read. `line` is the number of the line read last; `position` and `size` are bytes on the disk."""

    path: Path
    size: int
    max_line_bytes: int
    _raw: IO[bytes]
    _text: IO[bytes]
    line: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    @property
    def position(self) -> int:
        """How far the disk was read; a little ahead of the lines given out."""
        return self._raw.tell()

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of every line read so far without its line end: it names a place in this very content."""
        return str(self._digest.hexdigest())

    def __iter__(self) -> Iterator[bytes | None]:
        """Each line without its end, None for one of more than `max_line_bytes`; raises FileUnreadable."""
        while (line := self._next()) != b"":
            yield line.rstrip(b"\r\n") if line is not None else None

    def skip(self, lines: int) -> None:
        """Reads past `lines` lines, or to the end."""
        for _ in range(lines):
            if self._next() == b"":
                return

    def _next(self) -> bytes | None:
        """The next line with its end; empty at the end of the file; None for one that is too long to be kept."""
        line = self._read()
        if not line:
            return b""
        self.line += 1
        is_kept = len(line) <= self.max_line_bytes
        while len(line) > self.max_line_bytes and not line.endswith(b"\n"):
            self._digest.update(line)
            line = self._read()
        self._digest.update(line.rstrip(b"\r\n") + b"\n")
        return line if is_kept else None

    def _read(self) -> bytes:
        try:
            return self._text.readline(self.max_line_bytes + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileUnreadable(f"{self.path} is damaged after line {self.line}; {REMEDY}") from error
        except OSError as error:
            raise FileUnreadable(f"{self.path} after line {self.line}: {error.strerror}; {REMEDY}") from error


@contextmanager
def open_lines(path: Path, max_line_bytes: int) -> Iterator[JsonLines]:
    """The file at its beginning; whether it is gzip is read from its first bytes. Raises SetupError."""
    try:
        raw = path.open("rb")
        is_gzip = raw.read(2) == GZIP
        raw.seek(0)
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror or 'it is no ordinary file'}") from error
    with raw:
        text = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        yield JsonLines(path, path.stat().st_size, max_line_bytes, raw, text)
