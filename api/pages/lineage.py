"""The lineage page: one feedback drawn from its receipt to the models that learnt from it; made whole on the server."""

from html import escape
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api import openapi
from api.access import Reading
from api.datasets import data_dir
from api.pages.shell import page
from api.pages.visitors import ReadPage
from api.reads import newest
from feedback_ingest.errors import NotFound
from feedback_ingest.log import LogRow
from feedback_loop.registry.lineage import lineage_of

router = APIRouter(tags=["pages"])
HTML: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}
HEAD = '<link rel="stylesheet" href="/static/lineage.css">'
WIDTH, HEIGHT, GAP_X, GAP_Y, EDGE, HEAD_Y = 210, 62, 70, 18, 10, 26
LETTERS = 27
LISTED = 20
COLUMNS = ("Inference", "Feedback", "Datasets", "Models trained on them")
STATES = {"model_shadowed": "answers in the shadow", "model_shadow_ended": "was in the shadow"}


class Node(NamedTuple):
    """A box: in which column and row it stands, what it says, and how it looks."""

    column: int
    row: int
    title: str
    lines: tuple[str, ...]
    kind: str

    @property
    def left(self) -> int:
        """The box's left edge."""
        return EDGE + self.column * (WIDTH + GAP_X)

    @property
    def top(self) -> int:
        """Its upper edge."""
        return EDGE + HEAD_Y + self.row * (HEIGHT + GAP_Y)


@router.get(
    "/lineage",
    summary="The page that shows where a feedback went",
    response_class=Response,
    responses={
        200: HTML,
        303: {"description": "A person without a session goes on to sign in."},
        **openapi.answers(401, 403, 503),
        404: {"description": "There is no feedback of that id.", **HTML},
    },
)
def show_lineage(
    request: Request,
    sender: ReadPage,
    session: Reading,
    feedback_id: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """For browsers: the feedback, its inference, each dataset with the outcome stored there, and the models."""
    if not feedback_id:
        found, _ = newest(session, sender.project_id, 2**53 - 1, LISTED, {})
        return page("Lineage", _frame("", _listed(found)), head=HEAD)
    try:
        followed = lineage_of(session, data_dir(request), sender.project_id, feedback_id)
    except NotFound:
        told = '<p role="alert">There is no feedback of that id in this project. <a href="/lineage">The newest</a></p>'
        return page("Lineage", _frame(feedback_id, told), 404, head=HEAD)
    return page("Lineage", _frame(feedback_id, _drawing(followed) + _table(followed)), head=HEAD)


def _frame(feedback_id: str, inner: str) -> str:
    return (
        '<header class="top"><h1><img src="/static/icon.svg" alt="" width="28" height="28"> Lineage</h1>'
        '<form method="get" action="/lineage" role="search"><label for="feedback_id">Feedback</label>'
        f'<input id="feedback_id" name="feedback_id" maxlength="64" value="{escape(feedback_id)}">'
        f'<button>Show</button></form><nav aria-label="Pages"><a href="/dashboard">Dashboard</a></nav></header>'
        f"<main>{inner}</main>"
    )


def _listed(found: list[LogRow]) -> str:
    """The newest feedback, to choose from."""
    if not found:
        return '<p class="quiet">No feedback is stored in this project yet.</p>'
    rows = "".join(
        f'<tr><td><a href="/lineage?feedback_id={escape(row.id)}"><code>{escape(row.id)}</code></a></td>'
        f"<td>{escape(row.body['feedback_type'])}</td><td>{row.received_at.isoformat(' ', 'seconds')[:19]}</td>"
        f"<td>{escape(row.body['inference_request_id'])}</td></tr>"
        for row in found
    )
    head = "<tr><th>Newest feedback</th><th>Type</th><th>Received, UTC</th><th>About inference</th></tr>"
    return _scrolling(f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>", "Newest feedback")


def _scrolling(table: str, label: str) -> str:
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">{table}</div>'


def _drawing(found: dict[str, Any]) -> str:
    """The graph as SVG: what led to what, from left to right."""
    nodes, links = _graph(found)
    width = EDGE * 2 + 4 * WIDTH + 3 * GAP_X
    height = EDGE * 2 + HEAD_Y + (max(node.row for node in nodes) + 1) * (HEIGHT + GAP_Y)
    heads = [
        f'<text class="column" x="{EDGE + place * (WIDTH + GAP_X)}" y="{EDGE + 10}">{name}</text>'
        for place, name in enumerate(COLUMNS)
    ]
    drawn = (
        heads + [_link(nodes[start], nodes[end], kind) for start, end, kind in links] + [_box(node) for node in nodes]
    )
    told = "; ".join(f"{node.title}: {', '.join(node.lines)}" for node in nodes)
    return (
        f'<figure><svg role="img" aria-label="{escape(told)}" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg></figure>'
    )


def _graph(found: dict[str, Any]) -> tuple[list[Node], list[tuple[int, int, str]]]:
    event, asked = found["feedback"], found["inference"]
    nodes = [Node(1, 0, event["feedback_type"], (f"offset {event['offset']}", event["received_at"][:19]), "feedback")]
    links: list[tuple[int, int, str]] = []
    if asked is not None:
        told = (f"answered by {asked['model_name']}", asked["model_version"])
        nodes.append(Node(0, 0, asked["inference_request_id"], told, "inference"))
        links.append((1, 0, "kept"))
    row = 0
    for dataset in found["datasets"]:
        is_in = dataset["outcome"] == "kept"
        place = f"{dataset['split']} row {dataset['row']}" if is_in else dataset["outcome"]
        lines = (dataset.get("format", ""), place)
        nodes.append(Node(2, row, dataset["dataset_version"], lines, "in" if is_in else "out"))
        at = len(nodes) - 1
        links.append((0, at, "kept" if is_in else "left"))
        for model in dataset["models"]:
            kind = "champion" if model["serves"] else "model"
            nodes.append(Node(3, row, model["model_version"], (model["model_name"], _state(model)), kind))
            links.append((at, len(nodes) - 1, "kept"))
            row += 1
        row += 0 if dataset["models"] else 1
    return nodes, links


def _state(model: dict[str, Any]) -> str:
    """What last became of a model."""
    if model["serves"]:
        return "serves"
    last: str = model["moves"][-1]["kind"] if model["moves"] else "trained"
    return STATES.get(last, last.removeprefix("model_").replace("_", " "))


def _box(node: Node) -> str:
    lines = "".join(
        f'<text x="{node.left + 12}" y="{node.top + 38 + 16 * place}">{escape(_short(line))}</text>'
        for place, line in enumerate(node.lines)
    )
    return (
        f'<g class="node {node.kind}"><title>{escape(node.title)}: {escape(", ".join(node.lines))}</title>'
        f'<rect x="{node.left}" y="{node.top}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
        f'<text class="title" x="{node.left + 12}" y="{node.top + 20}">{escape(_short(node.title))}</text>{lines}</g>'
    )


def _link(start: Node, end: Node, kind: str) -> str:
    """A line from the right edge of the one to the left edge of the other, whichever stands first."""
    first, last = (start, end) if start.column < end.column else (end, start)
    x1, y1, x2, y2 = first.left + WIDTH, first.top + HEIGHT // 2, last.left, last.top + HEIGHT // 2
    bend = (x1 + x2) // 2
    return f'<path class="link {kind}" d="M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}"/>'


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"


def _table(found: dict[str, Any]) -> str:
    """The same in words, for whoever does not see the drawing, or wants to copy from it."""
    rows = "".join(
        f"<tr><td>{_linked(version, 'datasets', version, 'events')}</td><td>{escape(each['outcome'])}</td>"
        f"<td>{escape(each['meaning'])}</td><td>{_models(each)}</td></tr>"
        for each in found["datasets"]
        for version in [each["dataset_version"]]
    )
    head = "<tr><th>Dataset</th><th>Outcome</th><th>What that means</th><th>Models trained on it</th></tr>"
    none = '<p class="quiet">No dataset has been compiled yet.</p>'
    return _scrolling(f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>", "Datasets") if rows else none


def _models(dataset: dict[str, Any]) -> str:
    """Each with a link to the feedback that it learnt from, which is the way back."""
    return ", ".join(
        _linked(version, "models", model["model_name"], "versions", version, "feedback")
        + (" (serves)" if model["serves"] else "")
        for model in dataset["models"]
        for version in [model["model_version"]]
    )


def _linked(name: str, *place: str) -> str:
    """A name that leads to what the API tells of it."""
    return f'<a href="/v1/{"/".join(quote(part, safe="") for part in place)}">{escape(name)}</a>'
