"""The pages behind a feedback link: plain HTML from the server, everything escaped, no script, no request elsewhere."""

import base64
import hashlib
from html import escape
from typing import Any

from fastapi.responses import Response

from feedback_ingest.feedback_types import FeedbackValue

STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:0 auto;padding:1.5rem;color:#1b1b1b;"
    "background:#fff}"
    "form{margin:0 0 2rem}fieldset{border:0;margin:0;padding:0}label{display:block;margin:.75rem 0 .25rem}"
    "button{font:inherit;min-height:3rem;min-width:6rem;margin:.5rem .5rem 0 0;padding:.5rem 1rem;border-radius:.5rem;"
    "border:1px solid #555;background:#f3f3f3;color:inherit}textarea{font:inherit;box-sizing:border-box;width:100%;"
    "padding:.5rem;border:1px solid #555;border-radius:.5rem}.choice{display:inline-block;margin-right:1rem;"
    "padding:.5rem}@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}button,textarea"
    "{background:#2a2a2a;color:#eee}}"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
QUESTIONS = {
    "thumbs": "Was this answer good?",
    "stars": "How good was this answer?",
    "text": "What would you like to say about this answer?",
    "text_edit": "What should the answer have been?",
    "choice": "What should the answer have been?",
}
DRAWN = frozenset(QUESTIONS)
"""The kinds of widgets that a page without a script can draw."""


def page(title: str, inner: str, status: int = 200, **headers: str) -> Response:
    """A whole page; `inner` is HTML, `title` text."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{inner}</main></body></html>"
    )
    return Response(text, status, {**HEADERS, **headers}, "text/html; charset=utf-8")


def message(title: str, words: str, status: int, **headers: str) -> Response:
    """A page that only says something."""
    return page(title, f"<p>{escape(words)}</p>", status, **headers)


def confirm(types: dict[str, type[FeedbackValue]], form: str, status: int = 200, words: str = "") -> Response:
    """The page that asks: one form a type, each sent to the page's own address; nothing happens before."""
    told = f'<p role="alert">{escape(words)}</p>' if words else ""
    return page("Your feedback", told + "".join(_form(name, kind, form) for name, kind in types.items()), status)


def _form(name: str, kind: type[FeedbackValue], form: str) -> str:
    widget = kind.widget
    hidden = "".join(
        f'<input type="hidden" name="{key}" value="{escape(value)}">'
        for key, value in (("feedback_type", name), ("form", form))
    )
    comment = ""
    if "comment" in kind.__struct_fields__:
        comment = f'<label for="{name}-comment">A remark, if you like</label>'
        comment += f'<textarea id="{name}-comment" name="comment" rows="3" maxlength="10000"></textarea>'
    question = escape(QUESTIONS[widget["kind"]])
    return (
        f'<form method="post">{hidden}<fieldset><legend>{question}</legend>'
        f"{_field(name, widget, comment)}</fieldset></form>"
    )


def _field(name: str, widget: dict[str, Any], comment: str) -> str:
    field = escape(widget["field"])
    if widget["kind"] == "thumbs":
        buttons = (("true", "Yes"), ("false", "No"))
        return comment + "".join(f'<button name="{field}" value="{value}">{said}</button>' for value, said in buttons)
    send = "<button>Send</button>"
    if widget["kind"] == "stars":
        scores = range(int(widget["min"]), int(widget["max"]) + 1)
        radio = '<label class="choice"><input type="radio" name="{0}" value="{1}" required> {1}</label>'
        return "".join(radio.format(field, score) for score in scores) + comment + send
    label = f'<label for="{name}-{field}">Your words</label>'
    return f'{label}<textarea id="{name}-{field}" name="{field}" rows="5" required></textarea>{comment}{send}'


def value_of(kind: type[FeedbackValue], given: dict[str, str]) -> dict[str, Any]:
    """The feedback_value that a sent form means; what does not fit stays as it is and is refused by the type."""
    widget, field = kind.widget, str(kind.widget["field"])
    text = given.get(field, "")
    answer: Any = text
    if widget["kind"] == "thumbs":
        answer = {"true": True, "false": False}.get(text, text)
    elif widget["kind"] == "stars" and text.isascii() and text.isdigit() and len(text) < 4:
        answer = int(text)
    comment = given.get("comment", "").replace("\r\n", "\n").strip()
    return {field: answer} | ({"comment": comment} if comment else {})
