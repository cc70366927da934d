"""ReadLog: a project's own part of the log, page by page, and on with what comes if the client asks for it."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door.calls import FRESH_S, Call
from api.grpc_door.receipts import timestamp
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import KINDS as DECISIONS
from feedback_ingest.errors import Fault, Forbidden, StorageUnavailable, ValidationFailed
from feedback_ingest.log import head
from feedback_ingest.project_log import Part, RawRow, first_offset, page
from feedback_ingest.receive import Sender

PAGE_ROWS = 100
PAGE_BYTES = 1_048_576
"""Bytes after which a message ends; with the largest event it stays below the 4 MiB that clients take by default."""
MAX_KINDS = 32
KIND = re.compile(r"\A[a-z_]{1,64}\Z", re.ASCII)


async def read_log(call: Call) -> None:
    """Everything from the start the client names up to the newest event, or on and on."""
    sender = await call.door.enter_to_read(call.scope)
    request = await call.request(pb.ReadLogRequest)
    if request.limit < 0:
        raise ValidationFailed(faults=(Fault("/limit", "too-small"),))
    part = Part(sender.project_id, _kinds(list(request.kinds), sender))
    left = request.limit or None
    after = await call.shared.look(lambda session: first_offset(session, request.start, utc_now())) - 1
    newest = await call.shared.look(head)  # asked anew: who stored something a moment ago reads it
    while left is None or left > 0:
        await call.door.enter_to_read(call.scope)  # a long call does not outlive a revocation
        count = min(PAGE_ROWS, left or PAGE_ROWS)
        rows = await call.shared.look(partial(page, part=part, after=after, newest=newest, limit=count))
        for message in _messages(rows):
            await call.answer(message)
        left = None if left is None else left - len(rows)
        is_whole = len(rows) < count
        after = max(after, newest) if is_whole else rows[-1].log_offset
        if is_whole and not request.follow:
            return
        if is_whole:
            with suppress(TimeoutError):
                await asyncio.wait_for(call.shared.closing.wait(), FRESH_S)
        if call.shared.closing.is_set():
            raise StorageUnavailable("The server is about to stop; connect again and read on from the last offset.")
        newest = await call.shared.head() if request.follow else newest


def _kinds(asked: Sequence[str], sender: Sender) -> list[str]:
    if len(asked) > MAX_KINDS:
        raise ValidationFailed(faults=(Fault("/kinds", "too-long"),))
    if not all(map(KIND.match, asked)):
        raise ValidationFailed(faults=(Fault("/kinds", "bad-format"),))
    if set(asked) & set(DECISIONS) and not sender.may("admin"):
        raise Forbidden("Decisions of people are read with the scope admin.", (Fault("/kinds", "above-the-cap"),))
    return list(asked) or ["feedback", "inference"]


def _messages(rows: Sequence[RawRow]) -> Iterator[pb.ReadLogResponse]:
    message, size = pb.ReadLogResponse(), 0
    for row in rows:
        body = row.body.encode()
        if size and size + len(body) > PAGE_BYTES:
            yield message
            message, size = pb.ReadLogResponse(), 0
        message.events.add(
            offset=row.log_offset, kind=row.kind, id=row.id, body=body,
            received_at=timestamp(row.received_at), occurred_at=timestamp(row.occurred_at),
        )  # fmt: skip
        message.next_offset = row.log_offset + 1
        size += len(body)
    if size:
        yield message
