"""Reading a request's body: every byte is counted and timed, on the wire and decoded, before anything is parsed."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from api.buffered import ARRIVED
from feedback_ingest.errors import (
    MalformedCoding,
    MalformedJson,
    PayloadTooLarge,
    RequestTimeout,
    Unauthenticated,
    UnsupportedMediaType,
)

Receive = Callable[[], Awaitable[dict[str, Any]]]

JSON_TYPE = "application/json"
NDJSON_TYPE = "application/x-ndjson"


def header(scope: dict[str, Any], name: bytes) -> list[str]:
    """Every value of a header."""
    fields: dict[bytes, list[bytes]] | None = scope.get("fields")
    if fields is None:
        fields = scope["fields"] = {}
        for key, value in scope["headers"]:
            fields.setdefault(key, []).append(value)
    found = fields.get(name)
    return [value.decode("latin-1") for value in found] if found else []


def bearer(scope: dict[str, Any]) -> str:
    """The token of the one Authorization header; raises Unauthenticated."""
    values = header(scope, b"authorization")
    if len(values) != 1 or len(values[0]) > 512 or not values[0].isascii():
        raise Unauthenticated()
    scheme, _, token = values[0].partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated()
    return token


def media_type(scope: dict[str, Any], *allowed: str) -> str:
    """The body's media type, one of `allowed`, in UTF-8; raises UnsupportedMediaType."""
    values = header(scope, b"content-type")
    if len(values) != 1:
        raise UnsupportedMediaType()
    if values[0] in allowed:
        return values[0]
    kind, *parameters = (part.strip().lower() for part in values[0].split(";"))
    charset = [p for p in parameters if p and p.replace('"', "") not in ("charset=utf-8", "charset=utf8")]
    if kind not in allowed or charset:
        raise UnsupportedMediaType()
    return kind


def is_gzip(scope: dict[str, Any]) -> bool:
    """Whether the one coding of the body is gzip; raises UnsupportedMediaType for any other or several."""
    values = [value.strip().lower() for value in header(scope, b"content-encoding")]
    if not values or values in (["identity"], [""]):
        return False
    if values != ["gzip"]:
        raise UnsupportedMediaType()
    return True


async def read_body(scope: dict[str, Any], receive: Receive, limit: int, deadline_s: float) -> bytes:
    """The decoded body; raises PayloadTooLarge over `limit` bytes, RequestTimeout, MalformedCoding, MalformedJson."""
    gzipped = is_gzip(scope)
    length = header(scope, b"content-length")
    if length and length[0].isdigit() and int(length[0]) > limit:
        raise PayloadTooLarge()
    if ARRIVED in scope:
        raw = await _read(receive, limit)
    else:
        try:
            async with asyncio.timeout(deadline_s):
                raw = await _read(receive, limit)
        except TimeoutError:
            raise RequestTimeout() from None
    return inflate(raw, limit) if gzipped else raw


async def _read(receive: Receive, limit: int) -> bytes:
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedJson("The body ended before it was complete; send it again.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise PayloadTooLarge()
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def inflate(raw: bytes, limit: int) -> bytes:
    """One complete gzip member of at most `limit` decoded bytes; raises MalformedCoding or PayloadTooLarge."""
    inflater = zlib.decompressobj(31)
    try:
        text = inflater.decompress(raw, limit + 1)
    except zlib.error:
        raise MalformedCoding() from None
    if len(text) > limit:
        raise PayloadTooLarge()
    if not inflater.eof or inflater.unused_data:
        raise MalformedCoding()
    return text
