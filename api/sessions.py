"""Who is signed in at a page: a cookie stands for its key, as the database told of both a few seconds ago."""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.doors import sessions
from feedback_ingest.doors.sessions import SignedIn
from feedback_ingest.errors import Forbidden, StorageUnavailable, Unauthenticated
from feedback_ingest.postgres import Database
from feedback_ingest.receive import Sender

FRESH_S = 4.0
"""A page that streams asks every second, and so hears of the end within five."""
LOOK_S = 3.0
REMEMBERED = 1_000
SAFE = ("GET", "HEAD", "OPTIONS")
TOKEN_HEADER = "x-csrf-token"


class Sessions:
    """Answers who holds a cookie; what was ended or revoked elsewhere is known here within five seconds."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = monotonic_s
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic_s = monotonic
        self._known: OrderedDict[bytes, tuple[float, SignedIn | None]] = OrderedDict()

    async def signed_in(self, secret: str) -> SignedIn:
        """Whoever holds `secret`; raises Unauthenticated, or StorageUnavailable where nobody can tell."""
        name = sessions.digest(secret)
        known = self._known.get(name)
        if known is None or self._monotonic_s() - known[0] >= FRESH_S:
            looked_s = self._monotonic_s()
            known = self._known[name] = (looked_s, await self._look(secret))
            self._known.move_to_end(name)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        if known[1] is None or known[1].expires_at <= self._clock():
            raise Unauthenticated()
        return known[1]

    async def sender(self, secret: str, *scopes: str) -> Sender:
        """The sender whose key became `secret`, who has one of `scopes`; raises as `signed_in`, or Forbidden."""
        sender = (await self.signed_in(secret)).sender
        if not any(sender.may(scope) for scope in scopes):
            raise Forbidden()
        return sender

    def forget(self, secret: str) -> None:
        """Looks again the next time."""
        self._known.pop(sessions.digest(secret), None)

    async def _look(self, secret: str) -> SignedIn | None:
        try:
            async with asyncio.timeout(LOOK_S):
                return await asyncio.to_thread(self._find, secret)
        except (SQLAlchemyError, TimeoutError):
            raise StorageUnavailable() from None

    def _find(self, secret: str) -> SignedIn | None:
        with Session(self._database.engine) as session:
            return sessions.find(session, secret, self._clock())


def sessions_of(app: FastAPI) -> Sessions:
    """The sessions that a process knows."""
    if not hasattr(app.state, "sessions"):
        app.state.sessions = Sessions(app.state.receiving.database)
    known: Sessions = app.state.sessions
    return known


def is_secure(request: Request) -> bool:
    """Whether the browser speaks TLS, to us or to the proxy in front."""
    return request.url.scheme == "https" or bool(request.app.state.receiving.door.settings.behind_proxy)


def cookie_name(request: Request) -> str:
    """The cookie's name; with TLS no other host can have set it, by its prefix."""
    return "__Host-feedback_session" if is_secure(request) else "feedback_session"


def secret_of(request: Request) -> str | None:
    """What the request's cookie holds."""
    return request.cookies.get(cookie_name(request))


def refuse_forged(request: Request, secret: str, given: str | None = None) -> None:
    """Raises Forbidden for a change that no page of this session sent: those send its token, in a header or a form."""
    if request.method in SAFE:
        return
    refuse_other_site(request)
    told = given or request.headers.get(TOKEN_HEADER, "")
    if not hmac.compare_digest(told.encode(), sessions.form_token(secret).encode()):
        raise Forbidden("The session's token is missing or wrong; load the page again and send its token.")


def refuse_other_site(request: Request) -> None:
    """Raises Forbidden where the browser says that another origin's page sends this; programs do not say."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        is_own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_own:
        raise Forbidden("A page of another origin sent this; only our own pages may.")
