"""What lies between two datasets: each row added, removed or changed, why, and by which event of the log."""

from collections.abc import Iterator
from typing import Any

from sqlmodel import Session

from feedback_ingest import log
from feedback_loop.learning.membership import KEPT, OUTCOMES
from feedback_loop.registry.dataset_shelf import INDEX_FILE, MEMBERS_FILE, Dataset
from feedback_loop.registry.lineage import have_members

PIECE = 5_000
CHANGED = """
WITH a AS (SELECT example, any_value(feedback_offset) AS feedback, any_value(inference_offset) AS inference,
                  any_value(split) AS split, any_value(weight) AS weight, string_agg(row_digest, '') AS digest
           FROM (SELECT * FROM read_parquet($a_rows) ORDER BY split, row) GROUP BY example),
     b AS (SELECT example, any_value(feedback_offset) AS feedback, any_value(inference_offset) AS inference,
                  any_value(split) AS split, any_value(weight) AS weight, string_agg(row_digest, '') AS digest
           FROM (SELECT * FROM read_parquet($b_rows) ORDER BY split, row) GROUP BY example)
SELECT coalesce(a.example, b.example) AS example, coalesce(a.inference, b.inference) AS inference_offset,
       a.feedback AS feedback_before, b.feedback AS feedback_after, was.outcome AS outcome_before,
       now.outcome AS outcome_after, a.example IS NULL AS is_added, b.example IS NULL AS is_removed,
       a.split IS DISTINCT FROM b.split AS is_moved, a.weight IS DISTINCT FROM b.weight AS is_reweighted
FROM a FULL JOIN b ON a.example = b.example
LEFT JOIN read_parquet($a_members) was ON was.feedback_offset = b.feedback
LEFT JOIN read_parquet($b_members) now ON now.feedback_offset = a.feedback
WHERE a.example IS NULL OR b.example IS NULL OR a.digest IS DISTINCT FROM b.digest OR a.split IS DISTINCT FROM b.split
ORDER BY 1
"""
"""Rows of one example are compared together: formats may make several of one."""


def differences(session: Session, before: Dataset, after: Dataset) -> list[dict[str, Any]]:
    """Every example that is not in both as it was, with the `change`: added, removed, relabelled, reweighted or moved.

    `reason` says why in words, `event` is the offset of the fact that brought it about; null where the recipe did.
    Raises DatasetDamaged.
    """
    import duckdb

    have_members(before, after)
    files = {
        f"{side}_{name}": str(dataset.folder / path)
        for side, dataset in (("a", before), ("b", after))
        for name, path in (("rows", INDEX_FILE), ("members", MEMBERS_FILE))
    }
    table: Any = duckdb.connect().sql(CHANGED, params=files).to_arrow_table()
    found = table.to_pylist()
    upto = (before.manifest["log_offset"], after.manifest["log_offset"])
    undoing = _undoing(session, found, upto)
    return [_told(row, upto[0], undoing) for row in found]


def _told(row: dict[str, Any], upto: int, undoing: dict[int, int]) -> dict[str, Any]:
    """One difference with its reason."""
    if row["is_added"]:
        change, (reason, event) = "added", _why_added(row, upto)
    elif row["is_removed"]:
        change, (reason, event) = "removed", _why_removed(row, undoing)
    elif row["feedback_before"] != row["feedback_after"]:
        change, event = "relabelled", row["feedback_after"]
        reason = "Another feedback speaks of the inference now."
        if row["feedback_before"] in undoing:
            reason, event = OUTCOMES["undone"], undoing[row["feedback_before"]]
    elif row["is_reweighted"]:
        change, reason, event = "reweighted", "It stands for more or for fewer than before.", None
    elif row["is_moved"]:
        change, reason, event = "moved", "It belongs to another split.", None
    else:
        change, reason, event = (
            "relabelled",
            "The same feedback makes another row: the recipe or the code differs.",
            None,
        )
    named = ("example", "inference_offset", "feedback_before", "feedback_after", "outcome_before", "outcome_after")
    return {"change": change, **{name: row[name] for name in named}, "reason": reason, "event": event}


def _why_added(row: dict[str, Any], upto: int) -> tuple[str, int | None]:
    if (row["feedback_after"] or row["inference_offset"]) > upto:
        return "It came after the first dataset's offset.", row["feedback_after"] or row["inference_offset"]
    if row["outcome_before"] == "pending":
        return "Its inference has become known.", row["inference_offset"]
    if row["outcome_before"] is None:
        return "The first dataset did not look at it.", None
    return f"In the first dataset it was {row['outcome_before']}: {OUTCOMES[row['outcome_before']]}", None


def _why_removed(row: dict[str, Any], undoing: dict[int, int]) -> tuple[str, int | None]:
    outcome = row["outcome_after"]
    if outcome is None or outcome == KEPT:
        return "The second dataset does not look at it.", None
    return OUTCOMES[outcome], undoing.get(row["feedback_before"]) if outcome == "undone" else None


def _undoing(session: Session, found: list[dict[str, Any]], upto: tuple[int, int]) -> dict[int, int]:
    """Which event undid which, by offset, of those that may matter: what came between the two datasets."""
    left = [row["feedback_before"] for row in found if row["feedback_before"] is not None]
    ids = {row.id: offset for offset, row in log.at(session, left).items()}
    undone: dict[int, int] = {}
    for row in _between(session, *sorted(upto)) if ids else ():
        target = row.body.get("supersedes") or row.body["feedback_value"].get("retracts")
        if isinstance(target, str) and target.lower() in ids:
            undone.setdefault(ids[target.lower()], row.log_offset)
    return undone


def _between(session: Session, after: int, upto: int) -> Iterator[log.LogRow]:
    """All feedback of a part of the log, in order."""
    while True:
        rows = [row for row in log.read(session, after, PIECE, ("feedback",)) if row.log_offset <= upto]
        yield from rows
        if len(rows) < PIECE:
            return
        after = rows[-1].log_offset
