"""The page on which people judge: items of a review queue, one after another; its scripts use the review API."""

from pathlib import Path
from string import Template
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.pages.shell import page
from api.pages.visitors import ReviewPage
from api.sessions import secret_of
from feedback_ingest.doors.sessions import form_token
from feedback_ingest.receive import Sender

router = APIRouter(tags=["pages"])
HTML: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}
FOLDER = Path(__file__).parent
BODY, LEAD = (Template((FOLDER / name).read_text("utf-8")) for name in ("review.html", "lead.html"))
HEAD = '<link rel="stylesheet" href="/static/review.css"><script type="module" src="/static/review/{}.js"></script>'
SEEN: dict[int | str, dict[str, Any]] = {
    200: HTML,
    303: {"description": "A person without a session goes on to sign in."},
    **openapi.answers(401, 403, 503),
}


@router.get(
    "/review",
    summary="The page on which people judge items",
    response_class=Response,
    responses=SEEN,
)
async def show_review(request: Request, sender: ReviewPage) -> Response:
    """For browsers: claims items, shows them with their guidelines, and submits what is chosen by key or by click."""
    return _page("Review", BODY, "main", request, sender)


@router.get(
    "/review/lead",
    summary="The page on which a lead sees how a queue is doing, and decides what is left",
    response_class=Response,
    responses=SEEN,
)
async def show_lead(request: Request, sender: ReviewPage) -> Response:
    """For browsers: progress, agreement, reviewers; disputed and escalated items with their labels, to be decided."""
    return _page("Review, for its lead", LEAD, "lead", request, sender)


def _page(title: str, body: Template, script: str, request: Request, sender: Sender) -> Response:
    secret = secret_of(request)
    token = form_token(secret) if secret else ""
    return page(title, body.substitute(key_id=sender.key_id, csrf_token=token), head=HEAD.format(script))
