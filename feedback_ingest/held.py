"""Refused events on their way into the quarantine, and how many more of them a project may have kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

KEEP = """
INSERT INTO staging.quarantined_items (project_id, kind, key_id, received_at, code, faults, body, status)
SELECT p, k, i, r, c, f::jsonb, b, 'held'
FROM unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::bytea[])
     AS u(p, k, i, r, c, f, b)
"""
COUNT = """
SELECT project_id, count(*) AS rows, sum(octet_length(body) + coalesce(octet_length(mended), 0))::bigint AS bytes
FROM staging.quarantined_items WHERE status = 'held' GROUP BY project_id
"""


class Held(NamedTuple):
    """One refused event for the quarantine, in the order of the table's columns; `faults` is JSON text."""

    project_id: int
    kind: str
    key_id: str
    received_at: datetime
    code: str
    faults: str
    body: bytes


class Room:
    """What a project may have kept: `rows` and `bytes_`; beyond that refusals are only counted, in `overflowed`."""

    def __init__(self, rows: int, bytes_: int) -> None:
        self._limits = (rows, bytes_)
        self._rows: Counter[int] = Counter()
        self._bytes: Counter[int] = Counter()
        self.overflowed = 0

    def recount(self, held: Mapping[int, tuple[int, int]]) -> None:
        """Takes over (rows, bytes) by project as the database counts them: others hold and release as well."""
        self._rows = Counter({project: rows for project, (rows, _) in held.items()})
        self._bytes = Counter({project: bytes_ for project, (_, bytes_) in held.items()})

    def admit(self, held: Sequence[Held]) -> list[Held]:
        """Those of `held` there is room for; the others are counted."""
        rows, bytes_ = self._rows.copy(), self._bytes.copy()
        kept = []
        for item in held:
            size = len(item.body)
            if rows[item.project_id] < self._limits[0] and bytes_[item.project_id] + size <= self._limits[1]:
                rows[item.project_id] += 1
                bytes_[item.project_id] += size
                kept.append(item)
        self.overflowed += len(held) - len(kept)
        return kept

    def keep(self, kept: Sequence[Held]) -> None:
        """Counts what was committed."""
        for item in kept:
            self._rows[item.project_id] += 1
            self._bytes[item.project_id] += len(item.body)
