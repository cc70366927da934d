"""Which version serves: the champion pointer, moved together with the fact that says so, and MLflow told afterwards."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from psycopg import Cursor
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import new_id
from feedback_ingest.errors import FeedbackError
from feedback_ingest.log import Fact
from feedback_loop.learning.errors import ArtifactMismatch
from feedback_loop.learning.increments import root_of
from feedback_loop.registry.shelf import RegisteredModel, read_artifact
from feedback_loop.registry.tables import Champion, KnownVersion

PROMOTED = "model_promoted"
CHANNEL = "feedback_champions"
"""LISTEN here to be woken when a champion has moved; the payload is empty."""
BEFORE = "SELECT previous_version FROM champions WHERE (project_id, model_name, model_version) = (%s, %s, %s)"


class ChampionMoved(FeedbackError):
    """Another version serves than the one the candidate was compared with; evaluate it again."""

    code = "champion-moved"


def champion(session: Session, project_id: int, model_name: str) -> Champion | None:
    """The version that serves `model_name`, None before a first promotion."""
    return session.get(Champion, (project_id, model_name))


def serves(cursor: Cursor[Any], project_id: int, model_name: str, model_version: str) -> bool:
    """Whether it is this version that serves."""
    return cursor.execute(BEFORE, (project_id, model_name, model_version)).fetchone() is not None


def version_before(cursor: Cursor[Any], project_id: int, model_name: str, model_version: str) -> str | None:
    """The version that served before `model_version`; None where that one does not serve, or was the first."""
    row = cursor.execute(BEFORE, (project_id, model_name, model_version)).fetchone()
    return row[0] if row else None


def promote(
    session: Session,
    registered: RegisteredModel,
    reason: str,
    now: datetime,
    pepper: Pepper,
    dataset_version: str | None = None,
    evaluation: Mapping[str, Any] | None = None,
    instead_of: str | None = None,
    actor: str | None = None,
) -> Champion:
    """Moves the pointer to `registered` and appends `model_promoted`, both or neither: the caller commits, soon.

    A version that serves already is left as it is, so a retry changes nothing. `evaluation` goes into the fact. Where
    `instead_of` is given and another version serves by now, raises ChampionMoved; its own increments are no other.
    `actor` is the person's key, by hand.
    """
    lock_model(session, registered.project_id, registered.model_name)
    serving = session.get(Champion, (registered.project_id, registered.model_name), populate_existing=True)
    if serving is not None and serving.model_version == registered.model_version:
        return serving
    previous = serving.model_version if serving is not None else None
    if instead_of is not None and previous is not None and root_of(previous) != root_of(instead_of):
        raise ChampionMoved(f"{previous} serves {registered.model_name} by now, not {instead_of}; evaluate again")
    body = {
        "model_name": registered.model_name,
        "model_version": registered.model_version,
        "previous_version": previous,
        "artifact_sha256": registered.artifact_sha256,
        "dataset_version": dataset_version,
        "reason": reason,
        "actor": actor,
        "evaluation": dict(evaluation or {}),
    }
    fact = Fact(registered.project_id, PROMOTED, str(new_id()), _present(body), now)
    [appended] = log.append(session, [fact], now, pepper)
    version = KnownVersion(**asdict(registered), dataset_version=dataset_version, previous_version=previous)
    version.promoted_at = now
    return point(session, session.merge(version), appended.log_offset, now, previous)


def point(session: Session, version: KnownVersion, log_offset: int, now: datetime, previous: str | None) -> Champion:
    """Moves the pointer to a version, with the place of the fact that says so, and wakes who waits for it."""
    serving = champion(session, version.project_id, version.model_name)
    moved = session.merge(
        Champion(
            **asdict(registered_of(version)),
            dataset_version=version.dataset_version,
            log_offset=log_offset,
            promoted_at=now,
            previous_version=previous,
            is_held=serving is not None and serving.is_held,
        )
    )
    session.flush()
    session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
    return moved


def registered_of(known: KnownVersion) -> RegisteredModel:
    """A version on the shelf, as it is promoted."""
    return RegisteredModel(**{field.name: getattr(known, field.name) for field in fields(RegisteredModel)})


def load_artifact(champion: Champion) -> bytes:
    """The champion's artifact, checked against the SHA-256 it was promoted with; raises ArtifactMismatch."""
    if champion.artifact_uri is None or champion.artifact_sha256 is None:
        raise ArtifactMismatch(f"{champion.model_name} {champion.model_version} was registered without an artifact")
    return read_artifact(champion.artifact_uri, champion.artifact_sha256)


def lock_model(session: Session, project_id: int, model_name: str) -> None:
    """One decision about a model at a time, until the transaction ends; taken before the lock of the log."""
    key = f"model {project_id} {model_name}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def _present(body: dict[str, Any]) -> dict[str, Any]:
    """The contract has no null: what is absent is left out."""
    return {name: value for name, value in body.items() if value is not None and value != {}}
