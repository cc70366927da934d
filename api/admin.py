"""Administration over HTTP: projects, keys, and who changed what; always of the key's own project."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from msgspec import Meta
from sqlmodel import col, select

from api.access import OPERATORS_PROJECT, AdminKey, Reading, decider_of, refuse_other_projects
from api.json_bodies import Body, Name, Quota, body, cursor_of, described
from feedback_ingest.administration import Administration
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import KINDS, decided
from feedback_ingest.errors import Fault, SetupError, ValidationFailed
from feedback_ingest.keys import is_valid
from feedback_ingest.names import parse_time
from feedback_ingest.receive import Sender
from feedback_ingest.tables import Credential, Project

router = APIRouter(tags=["administration"])
Scope = Literal["ingest", "ingest:public", "read", "review", "backfill", "admin"]
PAGE = 100


class NewProject(Body):
    """A tenant to be made; `events_per_day` is its quota, none by default."""

    name: Name
    events_per_day: Quota | None = None


class ProjectChange(Body):
    """A project's quota; null is none."""

    events_per_day: Quota | None


class NewCredential(Body):
    """A key to be made; origins are for `ingest:public` alone."""

    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=6)]
    expires_at: Annotated[str, Meta(max_length=64)] | None = None
    origins: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(max_length=20)] = []
    events_per_minute: Quota | None = None
    bytes_per_minute: Quota | None = None


class Rotation(Body):
    """How long the old key goes on beside the new one; a day by default, thirty at most."""

    overlap_s: Annotated[int, Meta(ge=0, le=2_592_000)] = 86_400


@router.get("/v1/projects", summary="The projects the key may see: its own, or all for the operator's")
def list_projects(sender: AdminKey, session: Reading) -> dict[str, Any]:
    """Oldest first."""
    wanted = select(Project).order_by(col(Project.project_id))
    if sender.project_id != OPERATORS_PROJECT:
        wanted = wanted.where(Project.project_id == sender.project_id)
    return {"projects": [_project(project) for project in session.exec(wanted)]}


@router.post("/v1/projects", status_code=201, summary="Make a project", openapi_extra=described(NewProject))
def create_project(
    sender: AdminKey, request: Request, session: Reading, wanted: Annotated[NewProject, body(NewProject)]
) -> dict[str, Any]:
    """The project and its first admin key, told this once; for admin keys of the project `default` only."""
    refuse_other_projects(sender)
    work = _work(request, sender, session)
    project = _told("/name", lambda: work.create_project(wanted.name, wanted.events_per_day))
    new, credential = work.create_key(project.name, ["admin"])
    answer = {**_project(project), "credential": {**_credential(credential), "key": new.key}}
    session.commit()
    return answer


@router.patch("/v1/projects/{name}", summary="Change a project's quota", openapi_extra=described(ProjectChange))
def change_project(
    name: str, sender: AdminKey, request: Request, session: Reading,
    wanted: Annotated[ProjectChange, body(ProjectChange)],
) -> dict[str, Any]:  # fmt: skip
    """For admin keys of the project `default` only; in force within five seconds."""
    refuse_other_projects(sender)
    answer = _project(_work(request, sender, session).change_project(name, wanted.events_per_day))
    session.commit()
    return answer


@router.get("/v1/credentials", summary="The project's keys, without their secrets")
def list_credentials(sender: AdminKey, session: Reading) -> dict[str, Any]:
    """Oldest first, ended ones too."""
    wanted = select(Credential).where(Credential.project_id == sender.project_id).order_by(col(Credential.created_at))
    return {"credentials": [_credential(credential) for credential in session.exec(wanted)]}


@router.post("/v1/credentials", status_code=201, summary="Make a key", openapi_extra=described(NewCredential))
def create_credential(
    sender: AdminKey, request: Request, session: Reading, wanted: Annotated[NewCredential, body(NewCredential)]
) -> dict[str, Any]:
    """The key; its secret is told this once."""
    project = session.get_one(Project, sender.project_id).name
    options = {
        "origins": wanted.origins,
        "events_per_minute": wanted.events_per_minute,
        "bytes_per_minute": wanted.bytes_per_minute,
    }
    work = _work(request, sender, session)
    until = _time(wanted.expires_at)
    new, credential = _told("/scopes", lambda: work.create_key(project, list(wanted.scopes), until, **options))
    answer = {**_credential(credential), "key": new.key}
    session.commit()
    return answer


@router.post(
    "/v1/credentials/{credential_id}/rotate",
    status_code=201,
    summary="Replace a key",
    openapi_extra=described(Rotation),
)
def rotate_credential(
    credential_id: str, sender: AdminKey, request: Request, session: Reading,
    wanted: Annotated[Rotation, body(Rotation)],
) -> dict[str, Any]:  # fmt: skip
    """A new key that may do the same, told this once; the old one works for `overlap_s` more."""
    work = _work(request, sender, session)
    new, credential = work.rotate_key(credential_id, timedelta(seconds=wanted.overlap_s), sender.project_id)
    answer = {**_credential(credential), "key": new.key}
    session.commit()
    return answer


@router.post("/v1/credentials/{credential_id}/revoke", summary="End a key for good")
def revoke_credential(credential_id: str, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """Every process knows within five seconds; revoking again changes nothing."""
    answer = _credential(_work(request, sender, session).revoke_key(credential_id, sender.project_id))
    session.commit()
    return answer


@router.get("/v1/audit", summary="Who changed what: keys, projects, quarantine decisions")
def audit(sender: AdminKey, session: Reading, kind: str | None = None, cursor: str | None = None) -> dict[str, Any]:
    """Facts of the log, newest first, a hundred a page; they cannot be changed."""
    if kind is not None and kind not in KINDS:
        raise ValidationFailed(faults=(Fault("/kind", "not-allowed"),))
    rows = decided(session, sender.project_id, cursor_of(cursor), PAGE, (kind,) if kind else KINDS)
    decisions = [
        {"offset": row.log_offset, "id": row.id, "kind": row.kind, "decided_at": row.received_at, **row.body}
        for row in rows
    ]
    return {"decisions": decisions, "next_cursor": str(rows[-1].log_offset) if len(rows) == PAGE else None}


def _work(request: Request, sender: Sender, session: Reading) -> Administration:
    return Administration(session, decider_of(request, sender), utc_now())


def _told(pointer: str, work: Any) -> Any:
    """What an operator would be told in words, a client is told by a pointer."""
    try:
        return work()
    except SetupError:
        raise ValidationFailed(faults=(Fault(pointer, "not-allowed"),)) from None


def _time(text: str | None) -> datetime | None:
    moment = parse_time(text) if text is not None else None
    if text is not None and moment is None:
        raise ValidationFailed(faults=(Fault("/expires_at", "not-rfc3339"),))
    return moment


def _project(project: Project) -> dict[str, Any]:
    return project.model_dump(include={"name", "created_at", "events_per_day"})


def _credential(credential: Credential) -> dict[str, Any]:
    shown = credential.model_dump(exclude={"token_sha256", "key_id", "project_id"})
    now = utc_now().astimezone(UTC)
    state = "revoked" if credential.revoked_at else "active" if is_valid(credential, now) else "expired"
    return {"id": credential.key_id, "state": state, **shown}
