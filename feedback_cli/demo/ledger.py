"""What a client noted of each event it got accepted: when it happened and when it was durable."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One accepted event; `received_to_durable_ms` is the server's own word (Server-Timing), where it gave one."""

    kind: str
    id: str
    inference_request_id: str
    occurred_at: datetime
    durable_at: datetime
    received_to_durable_ms: float | None


def read_ledger(path: Path) -> list[Entry]:
    """The entries of an app's ledger file, one JSON object a line."""
    entries = []
    for line in path.read_text().splitlines():
        known = json.loads(line)
        for name in ("occurred_at", "durable_at"):
            known[name] = datetime.fromisoformat(known[name])
        entries.append(Entry(**known))
    return entries
