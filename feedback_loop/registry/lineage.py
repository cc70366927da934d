"""Lineage: which datasets and models a feedback is in, and which feedback they are made of; from stored rows alone."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.log import LogRow
from feedback_ingest.tables import EventKey

COMPILED = "dataset_compiled"


def facts_of(session: Session, project_id: int, kinds: Sequence[str]) -> list[LogRow]:
    """The project's facts of some kinds, in order."""
    keys = select(EventKey.log_offset).where(EventKey.project_id == project_id, col(EventKey.kind).in_(kinds))
    found = log.at(session, session.exec(keys).all())
    return [row for _, row in sorted(found.items())]


def compiled_datasets(session: Session, project_id: int) -> list[dict[str, Any]]:
    """Every dataset of a project, oldest first: what its fact says, its `offset` in the log, when it was compiled."""
    return [
        {**row.body, "offset": row.log_offset, "compiled_at": row.received_at.isoformat()}
        for row in facts_of(session, project_id, (COMPILED,))
    ]
