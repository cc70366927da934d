"""Keeping samples: from the fact that names their inferences, and by it from the log; read back by version."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import Cursor
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.log import LogRow
from feedback_loop.learning.familiarity import Sample, Version, sample_of, version_of
from feedback_loop.learning.rows import inference_row

COMPILED = "dataset_compiled"
KEEP = "INSERT INTO live_samples VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
LOAD = """
SELECT s.project_id, s.model_name, s.model_version, s.log_offset, s.dimensions, s.vectors
FROM unnest(%s::int[], %s::text[], %s::text[]) AS k(project_id, model_name, model_version)
JOIN live_samples s USING (project_id, model_name, model_version)
"""


def read(session: Session, fact: LogRow) -> Sample | None:
    """The sample that a fact of kind `dataset_compiled` names; None where it names none, or too little of it is known.

    The inferences are read from the log, so it is the same sample whenever it is asked for.
    """
    offsets = fact.body.get("sample", [])
    found = log.at(session, offsets) if offsets else {}
    rows = [inference_row(found[offset]) for offset in offsets if offset in found]
    version = (fact.project_id, fact.body.get("model_name", ""), fact.body.get("dataset_version", ""))
    return sample_of(version, fact.log_offset, [row for row in rows if row is not None])


def learn(cursor: Cursor[Any], session: Session, rows: Iterable[LogRow]) -> None:
    """Keeps the samples that these facts name."""
    for row in rows:
        sample = read(session, row) if row.kind == COMPILED else None
        if sample is not None:
            dimensions = sample.vectors.shape[1]
            cursor.execute(KEEP, (*sample.version, sample.log_offset, dimensions, sample.vectors.tobytes()))


def samples_of(cursor: Cursor[Any], inferences: Sequence[Mapping[str, Any]]) -> dict[Version, Sample]:
    """The samples of the versions that gave these answers (INFERENCE_SCHEMA), where one is known."""
    versions = {version_of(each) for each in inferences}
    if not versions:
        return {}
    found = cursor.execute(LOAD, [list(column) for column in zip(*sorted(versions), strict=True)]).fetchall()
    return {row[:3]: _read_back(row) for row in found}


def _read_back(row: Sequence[Any]) -> Sample:
    import numpy as np

    *version, log_offset, dimensions, vectors = row
    return Sample((version[0], version[1], version[2]), log_offset, np.frombuffer(vectors).reshape(-1, dimensions))
