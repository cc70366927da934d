"""API keys: made once, shown once, kept only as a SHA-256; the project comes from the key alone."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from feedback_ingest.errors import NotFound, SetupError, Unauthenticated
from feedback_ingest.receive import Limits, Sender
from feedback_ingest.tables import Credential, Project

SCOPES = frozenset({"ingest", "ingest:public", "read", "review", "backfill", "admin"})
TOKEN = re.compile(r"\Afk_[a-z]{1,16}_([0-9a-f]{16})_[0-9A-Za-z]{43}\Z", re.ASCII)
PUBLIC = "ingest:public"
ORIGIN = re.compile(r"\Ahttps?://[a-z0-9.-]{1,253}(?::[0-9]{1,5})?\Z", re.ASCII)
BASE_62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NOBODY = bytes(32)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: `key` is told once, `id` names it afterwards."""

    key: str
    id: str


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A credential as it is stored, and the quota of its project."""

    credential: Credential
    events_per_day: int | None = None


def create(
    session: Session,
    project: str,
    scopes: list[str],
    now: datetime,
    expires_at: datetime | None = None,
    environment: str = "live",
    **limits: Any,
) -> NewKey:
    """Makes a key for `project`; `limits` are Credential's origins, events_per_minute, bytes_per_minute, created_by.

    The caller commits; raises SetupError for a scope or project that does not exist, or for origins that are none.
    """
    _refuse_unusable(scopes, limits.get("origins") or [])
    key_id = secrets.token_hex(8)
    secret = "".join(secrets.choice(BASE_62) for _ in range(43))
    token = f"fk_{environment}_{key_id}_{secret}"
    session.add(
        Credential(
            key_id=key_id,
            project_id=project_id(session, project),
            token_sha256=_digest(token),
            scopes=sorted(set(scopes)),
            created_at=now,
            expires_at=expires_at,
            **limits,
        )
    )
    session.flush()
    return NewKey(token, key_id)


def _refuse_unusable(scopes: list[str], origins: list[str]) -> None:
    unknown = sorted(set(scopes) - SCOPES)
    if unknown or not scopes:
        raise SetupError(f"unknown scope {', '.join(unknown) or '(none)'}; choose from {', '.join(sorted(SCOPES))}")
    if PUBLIC in scopes and len(set(scopes)) > 1:
        raise SetupError(f"a key with {PUBLIC} is for everybody to see; it has no other scope")
    if origins and PUBLIC not in scopes:
        raise SetupError(f"only a key with {PUBLIC} has origins; a browser must not hold any other")
    for origin in origins:
        if not ORIGIN.match(origin):
            raise SetupError(f"{origin!r} is no origin; write it as https://app.example.com")


def project_id(session: Session, name: str) -> int:
    """The number of a project; raises SetupError when there is none of that name."""
    project = session.exec(select(Project).where(Project.name == name)).first()
    if project is None or project.project_id is None:
        raise SetupError(f"there is no project {name!r}; `feedback projects list` names them")
    return project.project_id


def listed(session: Session) -> list[Credential]:
    """Every key, oldest first."""
    return list(session.exec(select(Credential).order_by(col(Credential.created_at))))


def revoke(session: Session, key_id: str, now: datetime) -> None:
    """Ends a key for good; the caller commits; raises NotFound."""
    credential = session.get(Credential, key_id)
    if credential is None:
        raise NotFound(f"there is no key {key_id!r}; `feedback keys list` names them")
    credential.revoked_at = credential.revoked_at or now
    session.add(credential)


def key_id_of(token: str) -> str:
    """The id a well-formed token names; raises Unauthenticated before anything unbounded is hashed."""
    found = TOKEN.match(token) if len(token) <= 256 else None
    if found is None:
        raise Unauthenticated()
    return found[1]


def find(session: Session, key_id: str) -> KnownKey | None:
    """The stored credential of `key_id` with its project's quota, detached from the session."""
    wanted = select(Credential, Project.events_per_day).where(
        Credential.key_id == key_id, Credential.project_id == Project.project_id
    )
    row = session.exec(wanted).first()
    if row is None:
        return None
    session.expunge(row[0])
    return KnownKey(row[0], row[1])


def sender_of(token: str, known: KnownKey | None, now: datetime) -> Sender:
    """Who `token` is; raises Unauthenticated alike for unknown, wrong, revoked and expired keys."""
    stored = known.credential.token_sha256 if known else NOBODY
    if not hmac.compare_digest(_digest(token), stored) or known is None or not is_valid(known.credential, now):
        raise Unauthenticated()
    return sender_with(known)


def sender_with(known: KnownKey) -> Sender:
    """Who a key that was proven speaks for, and what it may do."""
    credential = known.credential
    limits = Limits(
        credential.events_per_minute, credential.bytes_per_minute, known.events_per_day, tuple(credential.origins)
    )
    guarded = limits != Limits() or PUBLIC in credential.scopes
    return Sender(credential.key_id, credential.project_id, frozenset(credential.scopes), limits if guarded else None)


def is_valid(credential: Credential, now: datetime) -> bool:
    """Whether the key is neither revoked nor expired."""
    return credential.revoked_at is None and (credential.expires_at is None or credential.expires_at > now)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
