"""The files of the pages, read once from `static/`: scripts, styles and the chart library; they hold nobody's data."""

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from feedback_ingest.errors import NotFound

router = APIRouter(include_in_schema=False)
FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class File(NamedTuple):
    """One file as it is sent."""

    content: bytes
    media_type: str
    tag: str


@cache
def files() -> dict[str, File]:
    """Every file by its name below the folder; nothing else can be asked for."""
    found = (path for path in sorted(FOLDER.rglob("*")) if path.suffix in TYPES)
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in found}


@router.get("/static/{name:path}")
def show_file(name: str, request: Request) -> Response:
    """The file, or 304 where the browser has it; it asks each time, so that versions never mix."""
    file = files().get(name)
    if file is None:
        raise NotFound()
    headers = {"etag": file.tag, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def _read(path: Path) -> File:
    content = path.read_bytes()
    return File(content, TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
