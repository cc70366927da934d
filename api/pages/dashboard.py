"""The dashboard: one page that says how the loop is doing, live; its scripts read the same API as everybody else."""

from pathlib import Path
from string import Template
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.pages.shell import page
from api.pages.visitors import ReadPage
from api.sessions import secret_of
from feedback_ingest.doors.sessions import form_token

router = APIRouter(tags=["pages"])
HTML: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}
BODY = Template((Path(__file__).parent / "dashboard.html").read_text("utf-8"))
HEAD = (
    '<link rel="stylesheet" href="/static/vendor/uPlot.min.css"><link rel="stylesheet" href="/static/dashboard.css">'
    '<script src="/static/vendor/uPlot.iife.min.js" defer></script>'
    '<script type="module" src="/static/dashboard/main.js"></script>'
)


@router.get(
    "/dashboard",
    summary="The page that shows how the loop is doing",
    response_class=Response,
    responses={
        200: HTML,
        303: {"description": "A person without a session goes on to sign in."},
        **openapi.answers(401, 403, 503),
    },
)
async def show_dashboard(request: Request, sender: ReadPage) -> Response:
    """For browsers: metrics, traffic, loop latency, alerts, models and decisions, live by /v1/status/stream."""
    secret = secret_of(request)
    token = form_token(secret) if secret else ""
    return page("Feedback loop", BODY.substitute(key_id=sender.key_id, csrf_token=token), head=HEAD)
