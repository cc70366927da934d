"""StreamFeedback: messages in, acknowledgements out in the same order; a client that does not read is not read from."""

import asyncio
from collections import deque
from typing import Any

import grpc

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door.calls import Call
from api.grpc_door.receipts import receipt_of
from feedback_ingest.errors import FeedbackError, StorageUnavailable
from feedback_ingest.intake import FEEDBACK, Verdict

IN_FLIGHT = 8
"""Messages of one stream that wait for their commit; more are left in the connection, where flow control holds them."""


async def stream_feedback(call: Call) -> None:
    """Many messages of feedback events.

    What ends the stream (a quota, a full queue, a shutdown) is told after everything before it was acknowledged.
    """
    await call.door.enter(FEEDBACK, call.scope)
    await Conversation(call).run()


class Conversation:
    """One stream while it lasts."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._waiting: deque[asyncio.Task[list[Verdict]]] = deque()
        self._ended_by: FeedbackError | None = None

    async def run(self) -> None:
        """Reads and answers until the client is done; raises what ended the stream before."""
        reading: asyncio.Future[Any] | None = self._read()
        closing = asyncio.ensure_future(self._call.shared.closing.wait())
        try:
            while reading is not None or self._waiting:
                may_read = reading is not None and len(self._waiting) < IN_FLIGHT
                await asyncio.wait(
                    [*([reading, closing] if may_read and reading else ()), *list(self._waiting)[:1]],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if reading is not None and may_read and reading.done():
                    reading = self._read() if await self._heard(reading.result()) else None
                elif reading is not None and closing.done():
                    reading.cancel()
                    reading, self._ended_by = (
                        None,
                        StorageUnavailable(
                            "The server is about to stop; connect again and send what was not acknowledged."
                        ),
                    )
                await self._answer()
        finally:
            closing.cancel()
            if reading is not None:
                reading.cancel()
        if self._ended_by is not None:
            raise self._ended_by

    def _read(self) -> asyncio.Future[Any]:
        return asyncio.ensure_future(self._call.context.read())

    async def _heard(self, raw: Any) -> bool:
        """Begins with the message; whether to read on."""
        if raw is grpc.aio.EOF:
            return False
        try:
            # The key is looked at for each message: a stream does not outlive a revocation, nor a limit.
            sender = await self._call.door.enter(FEEDBACK, self._call.scope)
            events = self._call.sized(self._call.parsed(raw, pb.StreamFeedbackRequest).events)
        except FeedbackError as error:
            self._ended_by = error
            return False
        self._waiting.append(asyncio.create_task(self._call.take(FEEDBACK, events, sender)))
        return True

    async def _answer(self) -> None:
        """Acknowledges what is durable, oldest first."""
        while self._waiting and self._waiting[0].done():
            verdicts = self._waiting.popleft().result()
            await self._call.answer(pb.StreamFeedbackResponse(receipts=map(receipt_of, verdicts)))
