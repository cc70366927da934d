"""How far the import of a file has come, kept in the data directory so that a killed one goes on from there."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from feedback_ingest.receive import Sender

STATUSES = ("accepted", "duplicate", "conflict", "refused")


class Progress(msgspec.Struct):
    """How far the import of a file has come: lines read, the digest of all of them, and what became of the events."""

    lines: int = 0
    digest: str = ""
    counts: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(STATUSES, 0))

    @property
    def sent(self) -> int:
        """Events told of: each has ended in exactly one of the counts."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where the progress of one file is kept until its import ends: a killed one goes on from there."""

    path: Path

    @classmethod
    def of(cls, data_dir: Path, file: Path, sender: Sender) -> "Bookmark":
        """The bookmark of an import of `file` by `sender`."""
        named = f"{sender.project_id}\n{sorted(sender.scopes)}\n{file.resolve()}"
        return cls(data_dir / "imports" / f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.json")

    def read(self) -> Progress | None:
        """What was kept; None where nothing is, or nothing that can be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Progress)
        except (OSError, msgspec.DecodeError):
            return None

    def keep(self, progress: Progress) -> None:
        """Keeps it in place of what was kept, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(progress))
        partial.replace(self.path)

    def remove(self) -> None:
        """The import has ended."""
        self.path.unlink(missing_ok=True)


def total(files: Sequence[Progress]) -> dict[str, int]:
    """The counts of all files together, and their sum as `sent`."""
    counts: Counter[str] = Counter()
    for progress in files:
        counts.update(progress.counts)
    return {"sent": counts.total(), **{status: counts[status] for status in STATUSES}}
