"""uvicorn's HTTP/1.1 with bounds: on the bytes of a head, on the time a head or an unread body may take."""

import logging
from asyncio import TimerHandle
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.buffered import ARRIVED
from api.receiver.problems import WHOLE_ANSWER, Headers, problem
from feedback_ingest.clock import new_id
from feedback_ingest.errors import FeedbackError, HeadersTooLarge, RequestTimeout

HEAD_TIMEOUT_S = 10.0
"""From the connection, or from the first byte of a request, to the end of its head."""
IDLE_TIMEOUT_S = 30.0
"""Between two requests of a connection."""
BODY_TIMEOUT_S = 60.0
"""For a body whose request is answered already; who still reads one has a shorter deadline."""
HEAD_BYTES = 65_536
CLOSE = (b"connection", b"close")

log = logging.getLogger("feedback.http")
log.setLevel(logging.ERROR)  # a client's mistakes are answered, not logged


class GuardedHttp(HttpToolsProtocol):
    """One connection. Everything that is not bounded here is bounded by the receiver, which runs on any server."""

    _is_in_head = True
    _head_bytes = 0
    _since_s: float
    _refusal: FeedbackError | None = None
    _watch: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Starts the one timer of the connection: it looks again when something may be overdue, not at each request."""
        super().connection_made(transport)
        self.logger = log
        self._since_s = self.loop.time()
        self._watch = self.loop.call_later(HEAD_TIMEOUT_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timer."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to a head that is not complete yet."""
        if self._is_in_head:
            if not self._head_bytes:
                self._since_s = self.loop.time()
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > HEAD_BYTES:
            self._refuse(HeadersTooLarge())

    def on_headers_complete(self) -> None:
        """Refuses a head that came in one piece and is too large all the same."""
        if self._head_bytes > HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES:
                self._refusal = HeadersTooLarge()
                raise ValueError("the head is too large")  # the parser stops, and send_400_response says why
        self._is_in_head = False
        super().on_headers_complete()
        cast(dict[str, Any], self.scope)[WHOLE_ANSWER] = self.answer_whole

    def on_message_complete(self) -> None:
        """The next byte begins the next head."""
        self._is_in_head = True
        self._head_bytes = 0
        cast(dict[str, Any], self.scope)[ARRIVED] = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but that the one timer of the connection looks at idle ones too."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._since_s = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def answer_whole(self, scope: Any, status: int, headers: Headers, body: bytes) -> bool:
        """Writes an answer of ours in one piece; False where it has to wait, for another or until the client reads."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.response_started or self.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.disconnected:
            keeps_alive = cycle.keep_alive and CLOSE not in headers
            told = [*cycle.default_headers, *headers] if keeps_alive else [*cycle.default_headers, *headers, CLOSE]
            lines = [b"%s: %s\r\n" % field for field in told]
            self.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", body)))
            if not keeps_alive:
                self.transport.close()
            self.on_response_complete()
        return True

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is told so in a bare answer; a head that is refused, by name."""
        if self._refusal is not None:
            self._refuse(self._refusal)
        else:
            self._close_with(400, [], b"")

    def _refuse(self, error: FeedbackError) -> None:
        self._close_with(*problem(error, str(new_id())))

    def _close_with(self, status: int, headers: Headers, body: bytes) -> None:
        if self.transport.is_closing():
            return
        told = [*headers, (b"content-length", b"%d" % len(body)), CLOSE]
        self.transport.write(b"".join((STATUS_LINE[status], *(b"%s: %s\r\n" % field for field in told), b"\r\n", body)))
        self.transport.close()

    def _look(self) -> None:
        """Lets go of who is overdue, and comes again when the next may be."""
        limit_s = self._limit_s()
        left_s = HEAD_TIMEOUT_S if limit_s is None else self._since_s + limit_s - self.loop.time()
        if left_s > 0:
            self._watch = self.loop.call_later(left_s, self._look)
        elif self._is_in_head and self._head_bytes:
            self._refuse(RequestTimeout())
        else:
            self.transport.close()

    def _limit_s(self) -> float | None:
        """How long what the connection waits for may take; None while it is the application's turn."""
        if self._is_in_head and (self._head_bytes or self.cycle is None):
            return HEAD_TIMEOUT_S
        if not self.cycle.response_complete:
            return None
        return IDLE_TIMEOUT_S if self._is_in_head else BODY_TIMEOUT_S
