"""Administration: projects and keys are made, changed and ended here, each with its decision in one transaction."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from feedback_ingest import keys
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import NotFound, SetupError
from feedback_ingest.keys import NewKey
from feedback_ingest.tables import Credential, Project

NAME = re.compile(r"\A[a-z0-9][a-z0-9-]{0,62}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Administration:
    """What one decider does at `now`; the caller commits."""

    session: Session
    decider: Decider
    now: datetime

    def create_project(self, name: str, events_per_day: int | None = None) -> Project:
        """A new tenant; raises SetupError for a name that is taken or none."""
        if not NAME.match(name):
            raise SetupError("a project's name is 1 to 63 of a-z, 0-9 and -, and does not start with -")
        if self.session.exec(select(Project).where(Project.name == name)).first() is not None:
            raise SetupError(f"there is a project {name!r} already")
        check = self.session.exec(select(Project.pepper_check).where(col(Project.pepper_check).is_not(None))).first()
        project = Project(name=name, created_at=self.now, events_per_day=events_per_day, pepper_check=check)
        self.session.add(project)
        self.session.flush()
        self._record(project, "project_created", name, events_per_day=events_per_day)
        return project

    def change_project(self, name: str, events_per_day: int | None) -> Project:
        """Another quota, or None for none; raises NotFound."""
        project = self.session.exec(select(Project).where(Project.name == name)).first()
        if project is None:
            raise NotFound(f"there is no project {name!r}; `feedback projects list` names them")
        before, project.events_per_day = project.events_per_day, events_per_day
        self.session.add(project)
        self._record(project, "project_changed", name, events_per_day=events_per_day, before=before)
        return project

    def projects(self) -> list[Project]:
        """Every project, oldest first."""
        return list(self.session.exec(select(Project).order_by(col(Project.project_id))))

    def create_key(
        self, project: str, scopes: list[str], expires_at: datetime | None = None, **options: Any
    ) -> tuple[NewKey, Credential]:
        """A key; the token in NewKey is told this once. `options` are those of keys.create; raises SetupError."""
        new = keys.create(self.session, project, scopes, self.now, expires_at, created_by=self.decider.actor, **options)
        credential = self._credential(new.id, None)
        self._record(credential, "credential_created", new.id, scopes=credential.scopes, origins=credential.origins)
        return new, credential

    def rotate_key(self, key_id: str, overlap: timedelta, project_id: int | None = None) -> tuple[NewKey, Credential]:
        """A new key that may do the same, as long; the old one ends after `overlap`. Raises NotFound."""
        old = self._credential(key_id, project_id)
        if not keys.is_valid(old, self.now):
            raise NotFound(f"the key {key_id!r} has ended; make a new one")
        project = self.session.get_one(Project, old.project_id)
        span = old.expires_at - old.created_at if old.expires_at else None
        new = keys.create(
            self.session,
            project.name,
            old.scopes,
            self.now,
            self.now + span if span else None,
            created_by=self.decider.actor,
            origins=old.origins,
            events_per_minute=old.events_per_minute,
            bytes_per_minute=old.bytes_per_minute,
        )
        ends = self.now + overlap
        old.expires_at = min(old.expires_at or ends, ends)
        self.session.add(old)
        self._record(old, "credential_rotated", key_id, into=new.id, ends_at=old.expires_at.isoformat())
        return new, self._credential(new.id, None)

    def revoke_key(self, key_id: str, project_id: int | None = None) -> Credential:
        """Ends a key for good; doing it twice changes nothing. Raises NotFound."""
        credential = self._credential(key_id, project_id)
        if credential.revoked_at is None:
            keys.revoke(self.session, key_id, self.now)
            self._record(credential, "credential_revoked", key_id)
        return credential

    def _credential(self, key_id: str, project_id: int | None) -> Credential:
        credential = self.session.get(Credential, key_id)
        if credential is None or project_id not in (None, credential.project_id):
            raise NotFound(f"there is no key {key_id!r}; `feedback keys list` names them")
        return credential

    def _record(self, of: Project | Credential, kind: str, subject: str, **details: Any) -> None:
        self.session.flush()
        self.decider.record(self.session, of.project_id or 0, kind, subject, self.now, **details)
