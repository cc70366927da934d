"""Many rows of feedback at once, flat, as Arrow: what `feedback_row` says of them, asked once for each different text.

Rows of a log repeat each other: ten thousand thumbs have two values, and their envelopes differ in a few names, which
stand in the table as they stand in the body. So a body is cut into those names (OWN) and two parts, and `feedback_row`
is asked about each different part once, by the first row that has it. It stays the only reading there is: a member that
no part knows, or that is not of the type it should be, keeps a body from being cut, and it is read whole.
"""

from collections.abc import Hashable, Sequence
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET, Meta, Raw, UnsetType

from feedback_ingest.log import Logged, row_of
from feedback_loop.learning.errors import UnreadableRow
from feedback_loop.learning.rows import feedback_row, json_text
from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, TIME

Rows: TypeAlias = Sequence[Logged]
"""Of kind `feedback`, in order of offset."""


class Flat(NamedTuple):
    """The rows of FEEDBACK_SCHEMA, and the offsets of those that this version cannot read."""

    batch: pa.RecordBatch
    unreadable: list[int]


class Json(str):
    """A member of any type, as its JSON text."""


class Context(msgspec.Struct, frozen=True, gc=False):
    """What is read of `user_context`; any other name may stand beside it."""

    user_id: str | None = None
    session_id: str | None = None
    app: Json | UnsetType = UNSET
    app_version: Json | UnsetType = UNSET
    locale: Json | UnsetType = UNSET
    user_tier: Json | UnsetType = UNSET
    segments: Json | UnsetType = UNSET
    consent: Json | UnsetType = UNSET


class Body(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A body that can be cut; what is Raw beside the value, no column holds."""

    inference_request_id: str
    model_version: str
    feedback_type: str
    feedback_value: Raw
    model_name: str | UnsetType = UNSET
    metric: str | UnsetType = UNSET
    schema_version: str | UnsetType = UNSET
    supersedes: str | UnsetType = UNSET
    source: Json | UnsetType = UNSET
    tags: Json | UnsetType = UNSET
    pass_probability: Json | UnsetType = UNSET
    episode_id: str | None = None
    step: Annotated[int, Meta(ge=-(2**53), le=2**53)] | None = None
    user_context: Context = Context()
    occurred_at: Raw | UnsetType = UNSET
    feedback_id: Raw | UnsetType = UNSET
    sent_at: Raw | UnsetType = UNSET
    target: Raw | UnsetType = UNSET
    confidence: Raw | UnsetType = UNSET
    rationale: Raw | UnsetType = UNSET
    traceparent: Raw | UnsetType = UNSET
    metadata: Raw | UnsetType = UNSET


OWN = {
    "inference_request_id": attrgetter("inference_request_id"),
    "user_ref": attrgetter("user_context.user_id"),
    "session_id": attrgetter("user_context.session_id"),
    "episode_id": attrgetter("episode_id"),
    "step": attrgetter("step"),
}
"""Columns that hold what stands in the body; those of the log itself are in `_of_log`."""
_value, _context = attrgetter("feedback_value"), attrgetter("user_context")
_segments = attrgetter("app", "app_version", "locale", "user_tier", "segments", "consent")
_rest = attrgetter(
    "feedback_type", "schema_version", "metric", "supersedes", "model_name", "model_version", "source", "tags",
    "pass_probability",
)  # fmt: skip
_decode = msgspec.json.Decoder(Body, dec_hook=lambda _, value: Json(json_text(value))).decode
UNCUT = Body("", "", "", Raw())
"""Stands for a body that must be read whole."""


def flat_feedback(rows: Rows) -> Flat:
    """Rows of kind `feedback`, as `feedback_row` reads each of them."""
    bodies = _cut(rows)
    firsts = _firsts(bodies)
    read = {first: flat for first in dict.fromkeys(firsts) if (flat := _read(rows[first])) is not None}
    which = pc.index_in(pa.array(firsts, pa.int64()), value_set=pa.array(read, pa.int64()))
    uncut = [place for place, body in enumerate(bodies) if body is UNCUT and place in read]
    columns = _of_log(rows)
    for name, member in OWN.items():
        values = list(map(member, bodies))
        for place in uncut:
            values[place] = read[place][name]
        columns[name] = pa.array(values, FEEDBACK_SCHEMA.field(name).type)
    others = pa.schema([field for field in FEEDBACK_SCHEMA if field.name not in columns])
    said = pa.RecordBatch.from_pylist(list(read.values()), others).take(which)
    columns |= dict(zip(others.names, said.columns, strict=True))
    batch = pa.RecordBatch.from_arrays([columns[name] for name in FEEDBACK_SCHEMA.names], schema=FEEDBACK_SCHEMA)
    unreadable = [row[0] for row, first in zip(rows, firsts, strict=True) if first not in read]
    return Flat(batch.filter(which.is_valid()) if unreadable else batch, unreadable)


def _cut(rows: Rows) -> list[Body]:
    """The bodies in their parts, UNCUT for those that are not as they should be or may be ahead of their receipt."""
    try:
        bodies = [_decode(row[-1]) for row in rows]
    except msgspec.MsgspecError:
        bodies = [_cut_one(row[-1]) for row in rows]
    return [
        UNCUT if body.occurred_at is not UNSET and row[4] >= row[5] else body
        for row, body in zip(rows, bodies, strict=True)
    ]


def _cut_one(text: str) -> Body:
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return UNCUT


def _firsts(bodies: Sequence[Body]) -> list[int]:
    """For each row the place of the first one that `feedback_row` reads alike; its own where it must be read whole."""
    known: dict[Hashable, int] = {}
    parts = zip(map(_rest, bodies), map(_segments, map(_context, bodies)), map(bytes, map(_value, bodies)), strict=True)
    firsts = [known.setdefault(part, place) for place, part in enumerate(parts)]
    return [place if body is UNCUT else first for place, (first, body) in enumerate(zip(firsts, bodies, strict=True))]


def _read(row: Logged) -> dict[str, Any] | None:
    """What `feedback_row` says; None where this version cannot read the row."""
    try:
        return feedback_row(row_of(row))
    except UnreadableRow:
        return None


def _of_log(rows: Rows) -> dict[str, pa.Array]:
    occurred_at, received_at = (pa.array([row[place] for row in rows], TIME) for place in (4, 5))
    return {
        "log_offset": pa.array([row[0] for row in rows], pa.int64()),
        "project_id": pa.array([row[1] for row in rows], pa.int32()),
        "feedback_id": pa.array([row[3] for row in rows], pa.string()),
        "occurred_at": pc.if_else(pc.less(occurred_at, received_at), occurred_at, received_at),
        "received_at": received_at,
    }
