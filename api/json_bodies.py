"""JSON bodies of administration: read, parsed and judged as strictly as events are, and told in the same way."""

from typing import Annotated, Any, TypeVar, cast

import msgspec
from fastapi import Depends, Request
from msgspec import Meta

from api.receiver.bodies import JSON_TYPE, Receive, media_type, read_body
from feedback_ingest.canonical import canonical_json
from feedback_ingest.envelopes import shape_faults
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.schema_versions import portable
from feedback_ingest.strict_json import parse, refuse_duplicate_names, walk

T = TypeVar("T", bound=msgspec.Struct)
Name = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,62}\Z", max_length=63)]
Quota = Annotated[int, Meta(ge=1, le=2**31 - 1)]
MERGE_PATCH = "application/merge-patch+json"


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a request says, with known names only."""


async def raw_body(request: Request, *media: str) -> tuple[str, bytes]:
    """The media type, one of `media`, and the bytes; raises what the door raises."""
    scope = dict(request.scope)
    kind = media_type(scope, *media)
    settings = request.app.state.receiving.door.settings
    receive = cast(Receive, request.receive)
    return kind, await read_body(scope, receive, settings.max_event_bytes, settings.body_deadline_s)


def body(shape: type[T]) -> Any:
    """A dependency that reads a body of `shape`; put it after the key, so that strangers are told only that."""

    async def read(request: Request) -> T:
        _, raw = await raw_body(request, JSON_TYPE)
        value = parse(raw)
        faults = walk(value)
        refuse_duplicate_names(raw, canonical_json(value))
        if faults:
            raise ValidationFailed(faults=tuple(faults))
        try:
            return msgspec.convert(value, shape)
        except msgspec.ValidationError:
            raise ValidationFailed(faults=tuple(shape_faults(value, shape))) from None

    return Depends(read)


def described(shape: type[msgspec.Struct], *media: str) -> dict[str, Any]:
    """`openapi_extra` for a route that takes `shape`."""
    schema = portable(msgspec.json.schema(shape))
    inner = _spelled_out(schema, schema["$defs"])
    content = {kind: {"schema": inner} for kind in media or (JSON_TYPE,)}
    return {"requestBody": {"required": True, "content": content}}


def _spelled_out(schema: Any, shapes: dict[str, Any]) -> Any:
    """`schema` with every shape it refers to in its place: a route's document has nowhere else to look it up."""
    if isinstance(schema, list):
        return [_spelled_out(one, shapes) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _spelled_out(shapes[schema["$ref"].rpartition("/")[2]], shapes)
    return {name: _spelled_out(member, shapes) for name, member in schema.items() if name != "$defs"}


def cursor_of(text: str | None) -> int | None:
    """The place a cursor names; raises ValidationFailed for what was never given out."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValidationFailed(faults=(Fault("/cursor", "bad-format"),))
    return int(text)
