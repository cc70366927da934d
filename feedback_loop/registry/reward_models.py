"""Reward models on the shelf: which of them judges whose answers from which offset on, as facts in the log say."""

import logging
from collections.abc import Collection
from functools import lru_cache

from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.tables import EventKey, Project
from feedback_loop.learning.errors import ArtifactMismatch
from feedback_loop.learning.judges import Judge, Judges
from feedback_loop.learning.reward_model import TRAINED, RewardModel
from feedback_loop.registry.shelf import read_artifact
from feedback_loop.registry.tables import KnownVersion

logger = logging.getLogger("feedback.registry")

ENDING = ".reward"


def shelf_name(model_name: str) -> str:
    """The name on the shelf of the reward model that judges a model's answers."""
    return f"{model_name}{ENDING}"


def judges(session: Session, upto_offset: int, projects: Collection[int] | None = None) -> Judges:
    """The judges of some projects, or of all, up to an offset; where none was trained it takes one look at an index."""
    every = select(Project.project_id)
    keys = select(EventKey.log_offset).where(
        col(EventKey.project_id).in_(every if projects is None else list(projects)),
        EventKey.kind == TRAINED,
        col(EventKey.log_offset) <= upto_offset,
    )
    offsets = session.exec(keys).all()
    if not offsets:
        return Judges()
    trained = [row for row in log.at(session, offsets).values() if row.body["is_in_force"]]
    return Judges(_judge(session, row) for row in trained)


def _judge(session: Session, row: log.LogRow) -> Judge:
    """The judge that a fact tells of; where its artifact cannot be read a warning says so, and it judges nothing."""
    body, model = row.body, None
    known = session.get(KnownVersion, (row.project_id, shelf_name(body["model_name"]), body["model_version"]))
    try:
        if known is not None and known.artifact_uri is not None and known.artifact_sha256 is not None:
            model = _loaded(known.artifact_uri, known.artifact_sha256)
    except ArtifactMismatch as error:
        logger.warning("a reward model cannot be read, so its scores are missing: %s", error)
    return Judge(row.project_id, body["model_name"], row.log_offset, body["model_version"], model)


@lru_cache(maxsize=64)
def _loaded(uri: str, sha256: str) -> RewardModel:
    return RewardModel.from_bytes(read_artifact(uri, sha256))
