"""Browsers: a public key works from the pages it lists and no others; what CORS needs to say so, preflight included."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlmodel import Session, col, select

from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import Forbidden
from feedback_ingest.postgres import Database
from feedback_ingest.receive import Sender
from feedback_ingest.tables import Credential

PATHS = ("/v1/feedback", "/v1/feedback/batch")
PATHS_BESIDE = ("/v1/feedback/validate", "/v1/feedback-types", "/v1/schemas/{feedback_type}", "/v1/metrics")
METHODS = "GET, POST"
ASKED = "authorization, content-type, content-encoding, idempotency-key"
SHOWN = "retry-after, ratelimit, ratelimit-policy, server-timing"
PREFLIGHT_S = 600
FRESH_S = 5.0
STRANGERS = (401, 403, 503)
"""What is answered where it is not known who sends."""

router = APIRouter(tags=["ingest"])
beside = APIRouter(tags=["contract"])
"""Preflights of what the receiver alone does not serve."""


def origin_of(scope: dict[str, Any]) -> str | None:
    """The page a browser sends from; None where no browser says so."""
    found = [value for key, value in scope["headers"] if key.lower() == b"origin"]
    return found[0].decode("latin-1") if len(found) == 1 else ", ".join(map(repr, found)) or None


def refuse_other_origin(sender: Sender, origin: str | None) -> None:
    """Raises Forbidden for a public key on a page that it does not list."""
    listed = sender.limits.origins if sender.limits else ()
    if sender.is_public and origin is not None and origin not in listed:
        raise Forbidden("The key does not list this origin; ask for one that does.")


def cors(sender: Sender, origin: str | None) -> dict[str, str]:
    """What lets the page read the answer."""
    if not sender.is_public:
        return {}
    if origin is None:
        return {"vary": "Origin"}
    return {"vary": "Origin", "access-control-allow-origin": origin, "access-control-expose-headers": SHOWN}


def cors_of_stranger(scope: dict[str, Any], status: int) -> dict[str, str]:
    """What lets a page read that its key is not taken (any more); nothing once it is known who sends.

    Such an answer says nothing that a program without a key would not hear. A preflight is answered by `preflight`.
    """
    is_known = "visit" in scope or "sender" in scope
    origin = None if is_known or status not in STRANGERS or scope["method"] == "OPTIONS" else origin_of(scope)
    if origin is None:
        return {}
    return {"vary": "Origin", "access-control-allow-origin": origin, "access-control-expose-headers": SHOWN}


class Origins:
    """Every origin that some key lists or, revoked or expired, did, as of at most five seconds ago.

    A preflight does not say which key; a page whose key has ended gets through, to be told so.
    """

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        self._until_s = 0.0

    async def lists(self, database: Database, origin: str) -> bool:
        """Whether some key is, or was, of use on `origin`."""
        if monotonic_s() >= self._until_s:
            self._known = await asyncio.to_thread(_listed, database)
            self._until_s = monotonic_s() + FRESH_S
        return origin in self._known


def _listed(database: Database) -> frozenset[str]:
    wanted = select(Credential.origins).where(col(Credential.scopes).contains(["ingest:public"]))
    with Session(database.engine) as session:
        return frozenset(origin for origins in session.exec(wanted) for origin in origins)


async def preflight(request: Request) -> Response:
    """What a browser asks before it sends: allowed for origins that keys list or listed."""
    origin = origin_of(dict(request.scope))
    state = request.app.state
    if not hasattr(state, "origins"):
        state.origins = Origins()
    if origin is None or not await state.origins.lists(state.receiving.database, origin):
        raise Forbidden("No key lists this origin.")
    return Response(
        status_code=204,
        headers={
            "access-control-allow-origin": origin,
            "access-control-allow-methods": METHODS,
            "access-control-allow-headers": ASKED,
            "access-control-max-age": str(PREFLIGHT_S),
            "vary": "Origin",
        },
    )


for declared, paths in ((router, PATHS), (beside, PATHS_BESIDE)):
    for path in paths:
        declared.add_api_route(path, preflight, methods=["OPTIONS"], include_in_schema=False)
