"""Who may call a route: every route names its scopes here, or stands in OPEN; a test walks them all."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from sqlmodel import Session

from api.browsers import cors, origin_of, refuse_other_origin
from api.receiver.bodies import bearer, header
from api.sessions import refuse_forged, secret_of, sessions_of
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import Forbidden
from feedback_ingest.receive import Sender

OPERATORS_PROJECT = 1
"""The project `default`: its admin keys make projects; every other key stays within its own."""

OPEN = frozenset(
    {
        "/healthz",
        "/readyz",
        "/metrics",
        "/problems/{code}",
        "/openapi.json",
        "/docs",
        "/docs/oauth2-redirect",
        "/f/{token}",
        "/session",
        "/session/end",
        "/static/{name:path}",
        "/v1/integrations/label-studio/webhook",
    }
)
"""What needs no key: health, figures without content, documentation, links that are keys themselves, signing in and
out, the files of pages, which hold nothing of anybody, and what Label Studio calls, which shows a secret of its own."""


class Key(SecurityBase):
    """The key in the Authorization header, or the one a page's cookie stands for; it has a scope the route names."""

    def __init__(self) -> None:
        self.model = HTTPBearer()
        self.scheme_name = "key"

    async def __call__(self, request: Request, response: Response, needed: SecurityScopes) -> Sender:
        """The sender; raises Unauthenticated, Forbidden, or StorageUnavailable where nobody can tell."""
        scope = dict(request.scope)
        sender = await sender_of(request, *needed.scopes)
        request.scope["sender"] = sender
        request.scope["ask_again"] = partial(self, request, response, needed)
        if sender.limits is not None:
            origin = origin_of(scope)
            refuse_other_origin(sender, origin)
            response.headers.update(cors(sender, origin))
        return sender


key = Key()
AnyKey = Annotated[Sender, Security(key, scopes=["ingest", "ingest:public", "read", "review"])]
ReadKey = Annotated[Sender, Security(key, scopes=["read", "review"])]
ServingKey = Annotated[Sender, Security(key, scopes=["read", "ingest"])]
ReviewKey = Annotated[Sender, Security(key, scopes=["review"])]
AdminKey = Annotated[Sender, Security(key, scopes=["admin"])]


async def sender_of(request: Request, *scopes: str) -> Sender:
    """Who sends; an answer that goes on for long asks again, and ends with the key. Raises as Key does."""
    scope = dict(request.scope)
    secret = None if header(scope, b"authorization") else secret_of(request)
    if secret is not None:
        refuse_forged(request, secret)
        return await sessions_of(request.app).sender(secret, *scopes)
    keyring = request.app.state.receiving.door.keyring
    sender: Sender = await keyring.sender(bearer(scope), *scopes)
    return sender


def session_of(request: Request) -> Any:
    """A session on the database, for one request."""
    with Session(request.app.state.receiving.database.engine) as session:
        yield session


Reading = Annotated[Session, Depends(session_of)]


def decider_of(request: Request, sender: Sender) -> Decider:
    """The key as one who decides."""
    return Decider(sender.key_id, request.app.state.receiving.door.intake.receiver.pepper)


def refuse_other_projects(sender: Sender) -> None:
    """Raises Forbidden unless the key is the operator's."""
    if sender.project_id != OPERATORS_PROJECT:
        raise Forbidden("Only an admin key of the project `default` does this.")
