"""Inputs and embeddings that stand elsewhere, read when rows are trained on or judged, or drift is looked for; each
first reading is a fact in the log.

The log so knows what stood behind a reference: another content later is told as changed, and never learnt from.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from feedback_assets import facts
from feedback_assets.reference_readers import Reader, collect
from feedback_assets.resources import LogResource
from feedback_ingest import log as event_log
from feedback_ingest.clock import utc_now
from feedback_ingest.log import Fact
from feedback_ingest.tables import Project
from feedback_loop.learning.references import Excluded, Read, ReferenceUnusable, named, understood, with_inputs

if TYPE_CHECKING:
    import pyarrow as pa

AT_ONCE = 16
FACTS_AT_ONCE = 1_000


def with_read_inputs(
    log: LogResource, project_id: int, rows: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[Excluded]]:
    """`rows` of one project (LABELED_SCHEMA) with their inputs, and those that are left out; raises ReferencesAway."""
    wanted = sorted({row["inputs_ref"] for row in rows if row["inputs"] is None})
    found = _read_all(log, project_id, wanted) if wanted else {}
    return with_inputs(rows, found)


def inputs_behind(log: LogResource, project_id: int, references: Iterable[str]) -> dict[str, str]:
    """The inputs (JSON text) behind each reference of one project that can be used; raises ReferencesAway."""
    found = _read_all(log, project_id, sorted(set(references)))
    return {reference: read.inputs for reference, read in found.items() if isinstance(read, Read)}


def table_of(rows: Iterable[Mapping[str, Any]]) -> "pa.Table":
    """Such rows as a table: LABELED_SCHEMA and `inputs_sha256`."""
    import pyarrow as pa

    from feedback_loop.learning.schemas import LABELED_SCHEMA

    return pa.Table.from_pylist(list(rows), LABELED_SCHEMA.append(pa.field("inputs_sha256", pa.string())))


def _read_all(log: LogResource, project_id: int, references: Sequence[str]) -> dict[str, Read | str]:
    """What stands behind each reference, or why it cannot be used."""
    with log.session() as session:
        project = session.get_one(Project, project_id).name
    readers = {scheme: reader(log.settings, project) for scheme, reader in collect().items()}
    limit = log.settings.ref_max_bytes
    with ThreadPoolExecutor(AT_ONCE, "references") as threads:
        read = threads.map(lambda reference: _read(readers, reference, limit), references)
        found = dict(zip(references, read, strict=True))
    return {**found, **dict.fromkeys(_changed(log, project_id, found), "changed")}


def _read(readers: Mapping[str, Reader], reference: str, limit: int) -> Read | str:
    place = named(reference)
    try:
        if place.scheme not in readers:
            raise ReferenceUnusable("no-such-scheme")
        return understood(place, readers[place.scheme].read(place.address, limit))
    except ReferenceUnusable as error:
        return error.reason


def _changed(log: LogResource, project_id: int, found: Mapping[str, Read | str]) -> list[str]:
    """The references behind which something else stood before; what was read first is kept, as a fact named by it."""
    reads = [(reference, read) for reference, read in found.items() if isinstance(read, Read)]
    changed = []
    for start in range(0, len(reads), FACTS_AT_ONCE):
        now, some = utc_now(), reads[start : start + FACTS_AT_ONCE]
        told = [Fact(project_id, facts.REFERENCE_READ, _name(reference), _body(reference, read), now)
                for reference, read in some]  # fmt: skip
        with log.session() as session:
            outcomes = event_log.append(session, told, now, log.pepper)
        changed += [reference for (reference, _), outcome in zip(some, outcomes, strict=True)
                    if outcome.status == "conflict"]  # fmt: skip
    return changed


def _name(reference: str) -> str:
    return hashlib.sha256(reference.encode()).hexdigest()


def _body(reference: str, read: Read) -> dict[str, Any]:
    return {"reference": reference, "sha256": read.sha256, "bytes": read.bytes_}
