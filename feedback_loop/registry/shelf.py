"""The shelf of models: artifacts as files under the data directory, and what is known of each in MLflow.

Which of them serves is said by `champions.py`, never by MLflow: its alias follows and may lag.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from sqlalchemy.dialects.postgresql import insert

from feedback_ingest.clock import new_id
from feedback_ingest.errors import FeedbackError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings, decline_telemetry
from feedback_loop.learning.errors import ArtifactMismatch
from feedback_loop.registry.tables import KnownVersion

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

MLFLOW_DATABASE = "mlflow"
ALIAS, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
NAME_LENGTH = 100


class VersionTaken(FeedbackError):
    """This version of the model is registered with another artifact; a version never changes, so choose another."""

    code = "model-version-taken"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """One version of a model on the shelf; artifact_uri and artifact_sha256 are None for one without an artifact."""

    project_id: int
    model_name: str
    model_version: str
    artifact_uri: str | None = None
    artifact_sha256: str | None = None


def register(
    database: Database,
    settings: Settings,
    model_name: str,
    artifact: bytes | None,
    version: str,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    project_id: int = 1,
) -> RegisteredModel:
    """Puts a version on the shelf: its artifact as a file, its metrics, params and tags in an MLflow run.

    Registering the same bytes under the same version again changes nothing; raises VersionTaken for other bytes. The
    database `mlflow` beside ours is made on first use.
    """
    stored = _store(settings.data_dir, project_id, model_name, artifact, version)
    model = RegisteredModel(project_id, model_name, version, *stored)
    _know(database, model, (tags or {}).get("dataset_version"))
    client = _client(database)
    name = _shelf_name(project_id, model_name)
    _ensure_registered(client, name)
    if _found(client, name, version) is None:
        run = client.create_run(
            _experiment(client, settings, name), run_name=version[:NAME_LENGTH], tags=dict(tags or {})
        )
        for key, value in (params or {}).items():
            client.log_param(run.info.run_id, key, value)
        for key, number in (metrics or {}).items():
            client.log_metric(run.info.run_id, key, number)
        client.set_terminated(run.info.run_id)
        known = {"model_version": version, "artifact_sha256": model.artifact_sha256 or "", **(tags or {})}
        source = model.artifact_uri or f"none:{file_name(version)}"
        client.create_model_version(name, source=source, run_id=run.info.run_id, tags=known)
    return model


def follow_alias(database: Database, project_id: int, model_name: str, model_version: str, alias: str = ALIAS) -> bool:
    """Points an alias of MLflow at a version; False where it is not known there: not registered by us."""
    client = _client(database)
    name = _shelf_name(project_id, model_name)
    _ensure_registered(client, name)
    found = _found(client, name, model_version)
    if found is not None:
        client.set_registered_model_alias(name, alias, found.version)
    return found is not None


def drop_alias(database: Database, project_id: int, model_name: str, alias: str) -> None:
    """Takes an alias off whichever version of MLflow has it."""
    client, name = _client(database), _shelf_name(project_id, model_name)
    _ensure_registered(client, name)
    client.delete_registered_model_alias(name, alias)


def withdraw(database: Database, project_id: int, model_name: str, model_version: str) -> None:
    """Takes a version out of MLflow's registry; its run, with metrics and parameters, stays."""
    client, name = _client(database), _shelf_name(project_id, model_name)
    found = _found(client, name, model_version)
    if found is not None:
        client.delete_model_version(name, found.version)


def read_artifact(uri: str, sha256_hex: str) -> bytes:
    """The bytes of an artifact; raises ArtifactMismatch where they are missing or not the ones that were registered."""
    parsed = urlparse(uri)
    path = Path(unquote(parsed.path) if parsed.scheme == "file" else uri)
    try:
        artifact = path.read_bytes()
    except OSError as error:
        raise ArtifactMismatch(f"the artifact {path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(artifact).hexdigest() != sha256_hex:
        raise ArtifactMismatch(f"the artifact {path} does not have the SHA-256 it was registered with")
    return artifact


def _store(
    data_dir: Path, project_id: int, model_name: str, artifact: bytes | None, version: str
) -> tuple[str | None, str | None]:
    """Writes the artifact, whole or not at all; its URI and its SHA-256."""
    if artifact is None:
        return None, None
    digest = hashlib.sha256(artifact).hexdigest()
    folder = (data_dir / "models" / _shelf_name(project_id, model_name) / file_name(version)).resolve()
    target = folder / "model.joblib"
    if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() != digest:
        raise VersionTaken(f"{model_name} {version} is registered with another artifact; choose another version")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{new_id().hex}.partial"
    with partial.open("wb") as file:
        file.write(artifact)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
    return target.as_uri(), digest


def _know(database: Database, model: RegisteredModel, dataset_version: str | None) -> None:
    """Lets the pointer be moved to the version, also by those that MLflow is too heavy for."""
    row = {**asdict(model), "dataset_version": dataset_version}
    with database.engine.begin() as connection:
        connection.execute(insert(KnownVersion).values(row).on_conflict_do_nothing())


def _client(database: Database) -> "MlflowClient":
    decline_telemetry()
    from mlflow.tracking import MlflowClient

    url = database.sibling(MLFLOW_DATABASE).url
    return MlflowClient(tracking_uri=url, registry_uri=url)


def _shelf_name(project_id: int, model_name: str) -> str:
    """The model's name in MLflow and on the disk: neither takes every character, and projects must not collide."""
    name = file_name(model_name)
    return name if project_id == 1 else f"{name}~{project_id}"


def file_name(name: str) -> str:
    """A file name that stands for `name` alone, in characters that every file system and MLflow take."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else f"~{ord(c):x}~" for c in name)
    if plain.startswith("."):
        plain = "~2e~" + plain[1:]
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return plain if len(plain) <= NAME_LENGTH else f"{plain[:NAME_LENGTH]}~{digest}"


def _ensure_registered(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _experiment(client: "MlflowClient", settings: Settings, name: str) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(name)
    if known is not None:
        return known.experiment_id
    try:
        return client.create_experiment(name, artifact_location=(settings.data_dir / "models").resolve().as_uri())
    except MlflowException:  # another process was first
        known = client.get_experiment_by_name(name)
        if known is None:
            raise
        return known.experiment_id


def _found(client: "MlflowClient", name: str, version: str) -> "ModelVersion | None":
    """MLflow counts versions 1, 2, 3; ours is a tag on them, by which it finds one among very many."""
    tagged = f" and tags.model_version = '{version}'" if "'" not in version else ""
    versions = client.search_model_versions(f"name='{name}'{tagged}", max_results=1_000)
    return next((found for found in versions if found.tags.get("model_version") == version), None)
