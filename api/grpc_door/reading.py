"""ReadLog: a project's own part of the log, page by page, and on with what comes if the client asks for it."""

import asyncio
from contextlib import suppress
from functools import partial

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door.calls import FRESH_S, Call
from api.grpc_door.receipts import timestamp
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import Fault, StorageUnavailable, ValidationFailed
from feedback_ingest.log import head
from feedback_ingest.project_log import Page, first_offset, page, part_of

PAGE_ROWS = 100
PAGE_BYTES = 1_048_576
"""Bytes after which a message ends; with the largest event it stays below the 4 MiB that clients take by default."""


async def read_log(call: Call) -> None:
    """Everything from the start the client names up to the newest event, or on and on."""
    sender = await call.door.enter_to_read(call.scope)
    request = await call.request(pb.ReadLogRequest)
    if request.limit < 0:
        raise ValidationFailed(faults=(Fault("/limit", "too-small"),))
    reading = partial(page, part=part_of(sender, list(request.kinds)), max_bytes=PAGE_BYTES)
    left = request.limit or None
    start = partial(first_offset, project_id=sender.project_id, start=request.start, now=utc_now(), pointer="/start")
    after = await call.shared.look(start) - 1
    newest = await call.shared.look(head)  # asked anew: who stored something a moment ago reads it
    while left is None or left > 0:
        await call.door.enter_to_read(call.scope)  # a long call does not outlive a revocation
        limit = min(PAGE_ROWS, left or PAGE_ROWS)
        found = await call.shared.look(partial(reading, after=after, newest=newest, limit=limit))
        if found.rows:
            await call.answer(_message(found))
        left = None if left is None else left - len(found.rows)
        after = found.next_offset - 1
        is_whole = after >= newest
        if is_whole and not request.follow:
            return
        if is_whole:
            with suppress(TimeoutError):
                await asyncio.wait_for(call.shared.closing.wait(), FRESH_S)
        if call.shared.closing.is_set():
            raise StorageUnavailable("The server is about to stop; connect again and read on from the last offset.")
        newest = await call.shared.head() if request.follow else newest


def _message(found: Page) -> pb.ReadLogResponse:
    message = pb.ReadLogResponse(next_offset=found.rows[-1].log_offset + 1)
    for row in found.rows:
        message.events.add(
            offset=row.log_offset, kind=row.kind, id=row.id, body=row.body.encode(),
            received_at=timestamp(row.received_at), occurred_at=timestamp(row.occurred_at),
        )  # fmt: skip
    return message
