"""What every page has: its frame, and headers that let it load our own files and nothing else."""

from html import escape

from fastapi.responses import Response

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}


def page(title: str, inner: str, status: int = 200, head: str = "", **headers: str) -> Response:
    """A whole page; `inner` and `head` are HTML, `title` is text."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="/static/icon.svg">'
        f'<link rel="stylesheet" href="/static/pages.css">{head}</head><body>{inner}</body></html>'
    )
    return Response(text, status, {**HEADERS, **headers}, "text/html; charset=utf-8")


def message(title: str, inner: str, status: int = 200, **headers: str) -> Response:
    """A page with one small card on it; `inner` is HTML."""
    return page(title, f'<main class="card"><h1>{escape(title)}</h1>{inner}</main>', status, **headers)
