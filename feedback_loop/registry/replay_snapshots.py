"""Replay snapshots as the graph stored them: the transitions of one model, held in memory while they are the newest."""

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "replay_buffer.parquet"
"""In the lake; its note is the log offset that it was made at."""
NOTE = b"feedback.note"
MOST_HELD = 4
"""Models whose transitions stay in memory; asking for another one lets the one go that was not asked for longest."""


class Snapshot(NamedTuple):
    """One model's transitions by log_offset, and the last offset of the log they were made from."""

    log_offset: int
    rows: "pa.Table"


class ReplaySnapshots:
    """Reads the file of `lake_dir`, anew once it was replaced; for several threads."""

    def __init__(self, lake_dir: Path) -> None:
        self._path = lake_dir / FILE
        self._lock = Lock()
        self._version = (0, 0)
        self._held: OrderedDict[tuple[int, str], Snapshot] = OrderedDict()

    def of(self, project_id: int, model_name: str) -> Snapshot | None:
        """The model's part of the newest snapshot; None before the first."""
        with self._lock:
            if not self._path.exists():
                return None
            found = self._path.stat()
            version = found.st_ino, found.st_mtime_ns
            if version != self._version:
                self._held.clear()
                self._version = version
            key = (project_id, model_name)
            if key not in self._held:
                self._held[key] = self._read(*key)
            self._held.move_to_end(key)
            while len(self._held) > MOST_HELD:
                self._held.popitem(last=False)
            return self._held[key]

    def _read(self, project_id: int, model_name: str) -> Snapshot:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        mine = (pc.field("project_id") == project_id) & (pc.field("model_name") == model_name)
        with pq.ParquetFile(self._path) as file:
            note = (file.metadata.metadata or {}).get(NOTE, b"0")
            parts = [file.read_row_group(place).filter(mine) for place in range(file.num_row_groups)]
            rows = file.schema_arrow.empty_table() if not parts else _joined(parts)
        return Snapshot(int(note or 0), rows)


def _joined(parts: "list[pa.Table]") -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables(parts).combine_chunks()
