"""Pruning: increments come every few seconds, so only the newest of a model stay on the shelf; all else stays."""

from pathlib import Path
from urllib.parse import unquote, urlparse

from sqlmodel import Session, col, select

from feedback_ingest.postgres import Database
from feedback_loop.learning.increments import prunable, root_of
from feedback_loop.registry.champions import champion, lock_model
from feedback_loop.registry.shadows import shadows
from feedback_loop.registry.shelf import withdraw
from feedback_loop.registry.tables import KnownVersion


def prune_increments(database: Database, project_id: int, model_name: str, keep: int) -> list[str]:
    """Takes all but the newest `keep` increments of a model off the shelf, artifacts included; the versions.

    Whoever serves, served before or answers in the shadow stays. What stays and went back to a pruned version goes back
    to the one that this was an increment of, which is never pruned.
    """
    with Session(database.engine) as session:
        lock_model(session, project_id, model_name)
        mine = select(KnownVersion).where(KnownVersion.project_id == project_id, KnownVersion.model_name == model_name)
        newest = mine.where(col(KnownVersion.promoted_at).is_not(None)).order_by(col(KnownVersion.promoted_at).desc())
        known = {row.model_version: row for row in session.exec(newest)}
        needed = _needed(session, project_id, model_name)
        gone = [known[version] for version in prunable(list(known), needed, keep)]
        names = {row.model_version for row in gone}
        for row in known.values():
            if row.previous_version in names and row.model_version not in names:
                row.previous_version = root_of(row.previous_version or "")
                session.add(row)
        artifacts = {row.model_version: row.artifact_uri for row in gone}
        for row in gone:
            session.delete(row)
        session.commit()
    for version, uri in artifacts.items():  # only now: nothing points there any more
        withdraw(database, project_id, model_name, version)
        if uri is not None:
            _remove(Path(unquote(urlparse(uri).path)))
    return list(artifacts)


def _needed(session: Session, project_id: int, model_name: str) -> set[str]:
    serving, shadow = champion(session, project_id, model_name), shadows(session, project_id).get(model_name)
    versions = [serving.model_version, serving.previous_version] if serving is not None else []
    return {version for version in (*versions, shadow.version.model_version if shadow else None) if version is not None}


def _remove(artifact: Path) -> None:
    """The file and, where it was alone there, its folder."""
    artifact.unlink(missing_ok=True)
    if artifact.parent.exists() and not any(artifact.parent.iterdir()):
        artifact.parent.rmdir()
