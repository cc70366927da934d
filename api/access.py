"""Who may call a route: every route names its scopes here, or stands in OPEN; a test walks them all."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from sqlmodel import Session

from api.browsers import cors, origin_of, refuse_other_origin
from api.receiver.bodies import bearer
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
    }
)
"""What needs no key: health, figures without content, documentation, and links that are keys themselves."""


class Key(SecurityBase):
    """The key in the Authorization header; it needs one of the scopes that the route names."""

    def __init__(self) -> None:
        self.model = HTTPBearer()
        self.scheme_name = "key"

    async def __call__(self, request: Request, response: Response, needed: SecurityScopes) -> Sender:
        """The sender; raises Unauthenticated, Forbidden, or StorageUnavailable where nobody can tell."""
        scope = dict(request.scope)
        keyring = request.app.state.receiving.door.keyring
        sender: Sender = await keyring.sender(bearer(scope), *needed.scopes)
        request.scope["sender"] = sender
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
