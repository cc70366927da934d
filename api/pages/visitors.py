"""Who may see a page: as with every route the key's scopes decide, and a person is led to the sign-in."""

import re
from collections.abc import Sequence
from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import Request, Response, Security
from fastapi.responses import RedirectResponse
from fastapi.security import SecurityScopes

from api.access import Key
from api.pages.shell import message
from feedback_ingest.errors import FeedbackError, Forbidden, Unauthenticated
from feedback_ingest.receive import Sender

OUR_PAGE = re.compile(r"\A/(?!/)[A-Za-z0-9_/-]{0,200}(\?[A-Za-z0-9_=&-]{0,200})?\Z", re.ASCII)
"""A page of ours to go on to, with what it is asked in harmless characters."""


class TurnedAway(FeedbackError):
    """A person may not see a page, or not now: they are told so in a page, and which `scopes` it takes."""

    def __init__(self, why: FeedbackError, scopes: Sequence[str]) -> None:
        self.why = why
        self.scopes = scopes
        super().__init__()


class PageKey(Key):
    """As Key; raises TurnedAway where a browser asks for the page itself."""

    async def __call__(self, request: Request, response: Response, needed: SecurityScopes) -> Sender:
        """The sender."""
        try:
            return await super().__call__(request, response, needed)
        except FeedbackError as error:
            if "text/html" in request.headers.get("accept", ""):
                raise TurnedAway(error, needed.scopes) from None
            raise


page_key = PageKey()
ReviewPage = Annotated[Sender, Security(page_key, scopes=["review"])]
ReadPage = Annotated[Sender, Security(page_key, scopes=["read", "review"])]


async def turn_away(request: Request, error: Exception) -> Response:
    """Leads to the sign-in, or says what is wrong."""
    assert isinstance(error, TurnedAway)
    asked = f"{request.url.path}?{request.url.query}"
    place = asked if request.url.query and OUR_PAGE.match(asked) else request.url.path
    here = escape(place)
    if isinstance(error.why, Unauthenticated):
        # A link on another site brings no strict cookie along; the page's own request, a moment later, does.
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return message("One moment", f'<p><a href="{here}">Go on</a></p>', refresh=f"0; url={place}")
        return RedirectResponse(f"/session?next={quote(place)}", 303, {"cache-control": "no-store"})
    if isinstance(error.why, Forbidden):
        scopes = " or ".join(error.scopes)
        told = f"The key you signed in with may not see this page; it takes one with the scope {scopes}."
        return message("Not with this key", f'<p>{told}</p><p><a href="/session">Use another key</a></p>', 403)
    told = "The page cannot be shown now: the database does not answer."
    return message("Not now", f'<p>{told}</p><p><a href="{here}">Try again</a></p>', error.why.status)
