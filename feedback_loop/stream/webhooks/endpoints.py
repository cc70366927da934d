"""Endpoints: made, changed, given new secrets and ended by an administrator; what is shared with them lies sealed."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, text, update
from sqlmodel import Session, col, select

from feedback_ingest.clock import new_id
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import NotFound
from feedback_loop.stream.webhooks.outbox import CHANNEL
from feedback_loop.stream.webhooks.sealing import Sealer
from feedback_loop.stream.webhooks.tables import WebhookAttempt, WebhookEndpoint, WebhookMessage, WebhookSecret
from feedback_loop.stream.webhooks.targets import Target

SECRET_BYTES = 32
ACTIVE_SECRETS = 2


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What one decider does with the endpoints of a project at `now`; each change is a fact, the caller commits."""

    session: Session
    sealer: Sealer
    decider: Decider
    project_id: int
    now: datetime

    def every(self) -> list[WebhookEndpoint]:
        """The project's endpoints, oldest first."""
        wanted = select(WebhookEndpoint).where(WebhookEndpoint.project_id == self.project_id)
        return list(self.session.exec(wanted.order_by(col(WebhookEndpoint.created_at))))

    def find(self, endpoint_id: str) -> WebhookEndpoint:
        """The endpoint of that id; raises NotFound, also for one of another project."""
        found = self.session.get(WebhookEndpoint, endpoint_id)
        if found is None or found.project_id != self.project_id:
            raise NotFound()
        return found

    def create(
        self, target: Target, event_types: Sequence[str], format: str, description: str
    ) -> tuple[WebhookEndpoint, str]:
        """A new endpoint, and its secret, which is told this once."""
        endpoint_id = f"we_{new_id().hex}"
        endpoint = WebhookEndpoint(
            endpoint_id=endpoint_id,
            project_id=self.project_id,
            host=target.authority,
            sealed_url=self.sealer.seal(target.url, endpoint_id),
            event_types=sorted(set(event_types)),
            format=format,
            description=description,
            created_at=self.now,
        )
        self.session.add(endpoint)
        self.session.flush()
        secret = self._add_secret(endpoint)
        self._record("webhook_created", endpoint)
        return endpoint, secret

    def change(
        self,
        endpoint: WebhookEndpoint,
        target: Target | None = None,
        event_types: Sequence[str] | None = None,
        description: str | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        """Changes what is given; one that is enabled again starts afresh, and gets what waits for it."""
        if target is not None:
            endpoint.host = target.authority
            endpoint.sealed_url = self.sealer.seal(target.url, endpoint.endpoint_id)
        if event_types is not None:
            endpoint.event_types = sorted(set(event_types))
        if description is not None:
            endpoint.description = description
        if is_enabled is not None:
            endpoint.disabled_at = None if is_enabled else endpoint.disabled_at or self.now
            endpoint.disabled_reason = None if is_enabled else endpoint.disabled_reason or "by an administrator"
        if is_enabled or target is not None:
            endpoint.failures, endpoint.failing_since, endpoint.paused_until = 0, None, None
        self.session.add(endpoint)
        self._record("webhook_changed", endpoint)
        self._wake()

    def rotate(self, endpoint: WebhookEndpoint, overlap: timedelta) -> str:
        """A new secret, told this once; messages are signed with the newest old one too until `overlap` has passed."""
        ends = self.now + overlap
        secrets = self._secrets(endpoint)
        for place, old in enumerate(secrets):
            expires = ends if place < ACTIVE_SECRETS - 1 else self.now
            old.expires_at = min(old.expires_at or expires, expires)
            self.session.add(old)
        secret = self._add_secret(endpoint)
        self._record("webhook_rotated", endpoint, ends_at=ends.isoformat())
        return secret

    def end(self, endpoint: WebhookEndpoint) -> None:
        """Deletes the endpoint with its secrets and all that waits for it."""
        self._record("webhook_deleted", endpoint)
        mine = endpoint.endpoint_id
        for table in (WebhookSecret, WebhookAttempt, WebhookMessage):
            self.session.execute(delete(table).where(col(table.endpoint_id) == mine))
        self.session.delete(endpoint)

    def redeliver(self, endpoint: WebhookEndpoint, message_id: str) -> WebhookMessage:
        """Has a message sent again, at once and under the same id; raises NotFound."""
        message = self.session.get(WebhookMessage, (message_id, endpoint.endpoint_id))
        if message is None:
            raise NotFound()
        fresh = update(WebhookMessage).where(
            col(WebhookMessage.message_id) == message_id, col(WebhookMessage.endpoint_id) == endpoint.endpoint_id
        )
        self.session.execute(fresh.values(state="waiting", due_at=self.now, tries=0, ended_at=None))
        self._record("webhook_redelivered", endpoint, message_id=message_id)
        self._wake()
        self.session.refresh(message)
        return message

    def url(self, endpoint: WebhookEndpoint) -> str:
        """Where its messages go."""
        return self.sealer.open(endpoint.sealed_url, endpoint.endpoint_id)

    def _secrets(self, endpoint: WebhookEndpoint) -> list[WebhookSecret]:
        wanted = select(WebhookSecret).where(WebhookSecret.endpoint_id == endpoint.endpoint_id)
        return list(self.session.exec(wanted.order_by(col(WebhookSecret.created_at).desc())))

    def _add_secret(self, endpoint: WebhookEndpoint) -> str:
        secret = "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode()
        self.session.add(
            WebhookSecret(
                secret_id=new_id().hex,
                endpoint_id=endpoint.endpoint_id,
                sealed=self.sealer.seal(secret, endpoint.endpoint_id),
                created_at=self.now,
            )
        )
        return secret

    def _record(self, kind: str, endpoint: WebhookEndpoint, **details: Any) -> None:
        """A fact without secrets: of the URL, whose path may be one, it names the host."""
        told = {"host": endpoint.host, "event_types": list(endpoint.event_types), "format": endpoint.format}
        told["is_enabled"] = endpoint.disabled_at is None  # type: ignore[assignment]
        self.session.flush()
        self.decider.record(self.session, self.project_id, kind, endpoint.endpoint_id, self.now, **told, **details)

    def _wake(self) -> None:
        self.session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
