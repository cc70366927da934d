"""Lineage: which datasets and models a feedback is in, and which feedback they are made of; from stored rows alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.errors import NotFound
from feedback_ingest.log import LogRow
from feedback_ingest.tables import EventKey
from feedback_loop.learning.membership import KEPT, OUTCOMES
from feedback_loop.registry import dataset_shelf
from feedback_loop.registry.dataset_shelf import INDEX_FILE, MEMBERS_FILE, Dataset, DatasetDamaged

COMPILED = "dataset_compiled"
TRAINED = "model_trained"
MOVES = ("model_promoted", "model_refused", "model_rolled_back", "model_shadowed", "model_shadow_ended")
NOT_LOOKED_AT = "not-looked-at"
UNKNOWN = "unknown"
MEANINGS = {
    **OUTCOMES,
    NOT_LOOKED_AT: "The dataset did not look at it: it came later, or is of a type or a model that was not asked for.",
    UNKNOWN: "The dataset's files are not there, or damaged: rebuild it.",
}
"""What each outcome says; those of membership, and two that only one who asks later can meet."""

PAGE = """
SELECT m.feedback_offset, m.inference_offset, m.outcome, r.split, r.row, r.weight
FROM read_parquet($members) m LEFT JOIN (
    SELECT coalesce(feedback_offset, -1) AS feedback_offset, inference_offset, split,
           min(row) AS row, any_value(weight) AS weight
    FROM read_parquet($rows) GROUP BY ALL) r
  ON m.outcome = 'kept' AND r.inference_offset = m.inference_offset
 AND ($is_shared OR r.feedback_offset = m.feedback_offset)
WHERE m.feedback_offset > $after AND m.feedback_offset <= $upto AND ($outcome IS NULL OR m.outcome = $outcome)
ORDER BY m.feedback_offset LIMIT $limit
"""
"""A part of the members in the order of the log, with the first row of what they became."""


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


def dataset_of(session: Session, data_dir: Path, project_id: int, dataset_version: str) -> Dataset:
    """A project's dataset on the shelf; raises NotFound where it has no fact, DatasetDamaged where it has no files."""
    known = [told for told in compiled_datasets(session, project_id) if told["dataset_version"] == dataset_version]
    if not known:
        raise NotFound("No such dataset was compiled here; GET /v1/datasets or `feedback dataset list` names those.")
    found = dataset_shelf.read(dataset_shelf.root(data_dir, project_id), dataset_version)
    return replace(found, fact=known[-1])


def members_of(
    dataset: Dataset, after: int = 0, upto: int = 2**62, limit: int = 100, outcome: str | None = None
) -> list[dict[str, Any]]:
    """The feedback with an offset in (after, upto] that the dataset looked at: its outcome and, where it is kept, in
    which split and row it stands and what it weighs there. Raises DatasetDamaged where these files are not there.
    """
    import duckdb

    from feedback_loop.learning.dataset_formats import collect

    have_members(dataset)
    kind = collect()[dataset.manifest["recipe"]["format"]]
    files = {"members": str(dataset.folder / MEMBERS_FILE), "rows": str(dataset.folder / INDEX_FILE)}
    asked = {"after": after, "upto": upto, "limit": limit, "outcome": outcome, "is_shared": kind.unit == "inference"}
    table: Any = duckdb.connect().sql(PAGE, params={**files, **asked}).to_arrow_table()
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def have_members(*datasets: Dataset) -> None:
    """Raises DatasetDamaged unless the datasets have the files that say what they looked at."""
    for dataset in datasets:
        if any(not (dataset.folder / name).exists() for name in (MEMBERS_FILE, INDEX_FILE)):
            raise DatasetDamaged(
                f"{dataset.version} has no {MEMBERS_FILE} or no {INDEX_FILE}: rebuild it, or compile one anew where it "
                "is from before there were recipes"
            )


def named_members(session: Session, members: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Members with their `feedback_id`, `feedback_type`, `inference_request_id` and time of receipt, out of the log."""
    rows = log.at(session, [member["feedback_offset"] for member in members])
    return [{**_event(rows[member["feedback_offset"]]), **_present(member)} for member in members]


def models_of(session: Session, project_id: int, dataset_version: str) -> list[dict[str, Any]]:
    """The models trained on a dataset, and what became of each: one entry a move, with its offset and its reason."""
    moves = facts_of(session, project_id, MOVES)
    found = []
    for fact in facts_of(session, project_id, (TRAINED,)):
        if fact.body.get("dataset_version") == dataset_version:
            name, version = fact.body["model_name"], fact.body["model_version"]
            mine = [
                move for move in moves if (move.body["model_name"], move.body.get("model_version")) == (name, version)
            ]
            found.append({"model_name": name, "model_version": version, "trained_offset": fact.log_offset,
                          "moves": [_move(move) for move in mine]})  # fmt: skip
    return found


def dataset_behind(session: Session, project_id: int, model_name: str, model_version: str) -> str:
    """The dataset that a version was trained on; raises NotFound where none is known."""
    for fact in reversed(facts_of(session, project_id, (TRAINED,))):
        if (fact.body["model_name"], fact.body["model_version"]) == (model_name, model_version):
            return str(fact.body["dataset_version"])
    raise NotFound(
        "The loop trained no such version, so it knows no feedback behind it; GET /v1/models/{model_name}/versions "
        "lists the versions, with the dataset_version of those that it trained."
    )


def lineage_of(session: Session, data_dir: Path, project_id: int, feedback_id: str) -> dict[str, Any]:
    """One feedback from its receipt to the models that learnt from it: its event, its inference, each dataset with the
    outcome that is stored there, the models trained on it, and which of them serve. Raises NotFound.
    """
    from feedback_loop.registry.champions import champion

    event = _found(session, project_id, "feedback", feedback_id.lower())
    asked = session.get(EventKey, (project_id, "inference", event.body["inference_request_id"]))
    inference = None if asked is None else log.at(session, [asked.log_offset])[asked.log_offset]
    datasets = []
    for told in compiled_datasets(session, project_id):
        outcome = _outcome(data_dir, project_id, told, event.log_offset)
        models = models_of(session, project_id, told["dataset_version"]) if outcome["outcome"] == KEPT else []
        for model in models:
            serving = champion(session, project_id, model["model_name"])
            model["serves"] = serving is not None and serving.model_version == model["model_version"]
        named = ("dataset_version", "model_name", "format", "log_offset", "offset")
        datasets.append({**{name: told[name] for name in named if name in told}, **outcome, "models": models})
    return {
        "feedback": {**_event(event), "offset": event.log_offset},
        "inference": None if inference is None else _inference(inference),
        "datasets": datasets,
    }


def _outcome(data_dir: Path, project_id: int, told: dict[str, Any], offset: int) -> dict[str, Any]:
    """What a dataset has stored of the feedback at the offset."""
    try:
        dataset = dataset_shelf.read(dataset_shelf.root(data_dir, project_id), told["dataset_version"])
        found = members_of(dataset, offset - 1, offset)
    except DatasetDamaged:
        return {"outcome": UNKNOWN, "meaning": MEANINGS[UNKNOWN]}
    if not found:
        return {"outcome": NOT_LOOKED_AT, "meaning": MEANINGS[NOT_LOOKED_AT]}
    named = {name: found[0][name] for name in ("outcome", "split", "row", "weight")}
    return {**_present(named), "meaning": MEANINGS[found[0]["outcome"]]}


def _found(session: Session, project_id: int, kind: str, name: str) -> LogRow:
    key = session.get(EventKey, (project_id, kind, name))
    if key is None:
        raise NotFound(f"No {kind} of that id is stored in this project.")
    return log.at(session, [key.log_offset])[key.log_offset]


def _event(row: LogRow) -> dict[str, Any]:
    return {
        "feedback_id": row.id,
        "feedback_type": row.body["feedback_type"],
        "inference_request_id": row.body["inference_request_id"],
        "received_at": row.received_at.isoformat(),
    }


def _inference(row: LogRow) -> dict[str, Any]:
    return {
        "inference_request_id": row.id,
        "offset": row.log_offset,
        "model_name": row.body.get("model_name", "default"),
        "model_version": row.body["model_version"],
    }


def _move(fact: LogRow) -> dict[str, Any]:
    reason = fact.body.get("reason") or "; ".join(fact.body.get("reasons", []))
    return {"kind": fact.kind, "offset": fact.log_offset, "at": fact.received_at.isoformat(), "reason": reason}


def _present(member: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in member.items() if value is not None}
