"""Signing in and out: a key becomes a cookie that scripts cannot read and other sites cannot send."""

import asyncio
from datetime import timedelta
from html import escape
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from api import openapi
from api.json_bodies import raw_body
from api.pages.shell import message
from api.pages.visitors import OUR_PAGE
from api.receiver.bodies import JSON_TYPE, bearer, header
from api.sessions import cookie_name, is_secure, refuse_forged, refuse_other_site, secret_of, sessions_of
from feedback_ingest.clock import utc_now
from feedback_ingest.doors import sessions
from feedback_ingest.errors import Fault, FeedbackError, Forbidden, Unauthenticated, ValidationFailed
from feedback_ingest.receive import Sender
from feedback_ingest.strict_json import parse

router = APIRouter(tags=["pages"])
FORM = "application/x-www-form-urlencoded"
HTML: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}
GIVEN = {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}
TOLD = {
    "type": "object",
    "required": ["expires_at", "csrf_token", "scopes"],
    "properties": {
        "expires_at": {"type": "string", "format": "date-time"},
        "csrf_token": {"type": "string"},
        "scopes": {"type": "array", "items": {"type": "string"}},
    },
}
FIRST_PAGE = "/dashboard"
WRONG = {
    Unauthenticated.code: "That is no valid key.",
    Forbidden.code: "That key may not read; it takes one with the scope read.",
}


@router.get("/session", summary="The page to sign in and out", response_class=Response, responses={200: HTML})
async def show_session(request: Request, next: str = FIRST_PAGE) -> Response:
    """Asks for a key; says who is signed in where somebody is."""
    secret = secret_of(request)
    try:
        known = await sessions_of(request.app).signed_in(secret) if secret else None
    except FeedbackError:
        known = None
    if known is None or secret is None:
        return _ask(next)
    until = known.expires_at.strftime("%Y-%m-%d %H:%M UTC")
    inner = f"<p>With the key <code>{known.sender.key_id}</code>, until {until}.</p>" + _to_go_on(secret)
    return message("You are signed in", inner)


@router.post(
    "/session",
    status_code=201,
    summary="Turn a key into a cookie for pages",
    response_class=Response,
    responses={
        201: {"description": "Signed in.", "content": {JSON_TYPE: {"schema": TOLD}}},
        303: {"description": "Signed in by the form: on to the page."},
        **{code: {**told, "content": told["content"] | HTML["content"]}
           for code, told in openapi.answers(401, 403, 422, 503).items()},
    },
    openapi_extra={"requestBody": {"content": {FORM: {"schema": GIVEN}, JSON_TYPE: {"schema": GIVEN}}}},
)  # fmt: skip
async def sign_in(request: Request) -> Response:
    """The key comes in the Authorization header, or as `key` in a form or in JSON; it has the scope read or review.

    The cookie is HttpOnly and SameSite=Strict. What a page then changes it sends with the `csrf_token`, in the header
    X-CSRF-Token. The session ends by POST /session/end, after FEEDBACK_SESSION_S, or within five seconds of its key.
    """
    refuse_other_site(request)
    token, form = await _given(request)
    try:
        sender: Sender = await request.app.state.receiving.door.keyring.sender(token, "read", "review")
        secret, expires_at = await asyncio.to_thread(_store, request, sender)
    except FeedbackError as error:
        if form is None:
            raise
        return _ask(form.get("next", FIRST_PAGE), error)
    if form is not None:
        answer: Response = RedirectResponse(_ours(form.get("next", FIRST_PAGE)), 303)
    else:
        told = {"expires_at": expires_at, "csrf_token": sessions.form_token(secret), "scopes": sorted(sender.scopes)}
        answer = Response(orjson.dumps(told, option=orjson.OPT_UTC_Z), 201, media_type=JSON_TYPE)
    longest_s = int((expires_at - utc_now()).total_seconds())
    answer.set_cookie(
        cookie_name(request), secret, longest_s, path="/", secure=is_secure(request), httponly=True, samesite="strict"
    )
    answer.headers["cache-control"] = "no-store"
    return answer


@router.post(
    "/session/end",
    status_code=303,
    summary="Sign out",
    response_class=Response,
    responses={303: {"description": "Signed out: on to the page to sign in."}, **openapi.answers(403)},
    openapi_extra={"requestBody": {"content": {FORM: {"schema": {"type": "object"}}}}},
)
async def sign_out(request: Request) -> Response:
    """The cookie is worth nothing any more, here at once and in other processes within five seconds."""
    _, raw = await raw_body(request, FORM)
    secret = secret_of(request)
    if secret is not None:
        refuse_forged(request, secret, _read_form(raw).get("csrf_token"))
        await asyncio.to_thread(_end, request, secret)
        sessions_of(request.app).forget(secret)
    answer = RedirectResponse("/session", 303)
    answer.delete_cookie(cookie_name(request), "/", secure=is_secure(request), httponly=True, samesite="strict")
    return answer


async def _given(request: Request) -> tuple[str, dict[str, str] | None]:
    """The key, and the form that it came in, if one; raises Unauthenticated, or ValidationFailed."""
    scope = dict(request.scope)
    if header(scope, b"authorization"):
        return bearer(scope), None
    media, raw = await raw_body(request, FORM, JSON_TYPE)
    if media == FORM:
        form = _read_form(raw)
        return form.get("key", "").strip(), form
    told = parse(raw)
    if not isinstance(told, dict) or told.keys() != {"key"} or not isinstance(told["key"], str):
        raise ValidationFailed(faults=(Fault("/key", "required"),))
    return told["key"], None


def _read_form(raw: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=8))
    except ValueError:
        return {}


def _store(request: Request, sender: Sender) -> tuple[str, Any]:
    receiving = request.app.state.receiving
    longest = timedelta(seconds=receiving.door.settings.session_s)
    with Session(receiving.database.engine) as session:
        made = sessions.create(session, sender, utc_now(), longest)
        session.commit()
    return made


def _end(request: Request, secret: str) -> None:
    with Session(request.app.state.receiving.database.engine) as session:
        sessions.end(session, secret)
        session.commit()


def _ask(next_: str, error: FeedbackError | None = None) -> Response:
    told = WRONG.get(error.code, "That did not work; try again.") if error else ""
    inner = (
        (f'<p role="alert">{told}</p>' if told else "")
        + f'<form method="post" action="/session"><input type="hidden" name="next" value="{escape(_ours(next_))}">'
        '<label for="key">API key</label><input id="key" name="key" type="password" required autofocus maxlength="256"'
        ' autocomplete="current-password" spellcheck="false" aria-describedby="how"><button>Sign in</button></form>'
        '<p id="how" class="quiet">A key with the scope read or review; '
        "<code>feedback keys create --scope read</code> makes one. It is not kept in the browser.</p>"
    )
    return message("Sign in", inner, error.status if error else 200)


def _to_go_on(secret: str) -> str:
    token = sessions.form_token(secret)
    return (
        f'<p><a class="button" href="{FIRST_PAGE}">Dashboard</a></p><form method="post" action="/session/end">'
        f'<input type="hidden" name="csrf_token" value="{token}"><button class="plain">Sign out</button></form>'
    )


def _ours(path: str) -> str:
    """`path` where it is one of ours to go on to; nobody is led away from here by a link."""
    return path if OUR_PAGE.match(path) else FIRST_PAGE
