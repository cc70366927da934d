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

router = APIRouter(tags=["pages"])
HTML: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}
BODY = Template((Path(__file__).parent / "review.html").read_text("utf-8"))
HEAD = '<link rel="stylesheet" href="/static/review.css"><script type="module" src="/static/review/main.js"></script>'


@router.get(
    "/review",
    summary="The page on which people judge items",
    response_class=Response,
    responses={
        200: HTML,
        303: {"description": "A person without a session goes on to sign in."},
        **openapi.answers(401, 403, 503),
    },
)
async def show_review(request: Request, sender: ReviewPage) -> Response:
    """For browsers: claims items, shows them with their guidelines, and submits what is chosen by key or by click."""
    secret = secret_of(request)
    token = form_token(secret) if secret else ""
    return page("Review", BODY.substitute(key_id=sender.key_id, csrf_token=token), head=HEAD)
