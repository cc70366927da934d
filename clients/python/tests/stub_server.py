"""A small HTTP server that keeps events by id as the real one does, and misbehaves on request."""

import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    events: list[Event]
    raw: bytes
    at: float


class Stub:
    """Answers requests from `script` first, then as a server should; `stored` holds each event once, by its id."""

    def __init__(self) -> None:
        self.stored: dict[str, Event] = {}
        self.seen: list[Seen] = []
        self.connections = 0
        self.script: deque[Callable[[Exchange], None]] = deque()
        self.refuse: Callable[[Event], str | None] = lambda event: None
        self.crashes_on: Callable[[Event], bool] = lambda event: False
        self.most_events = 1_000
        self._offsets: dict[str, int] = {}
        self._lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            """Reads one request and lets the stub answer it."""

            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                """Counts the connection."""
                super().setup()
                with stub._lock:
                    stub.connections += 1

            def do_POST(self) -> None:
                """One request."""
                stub._serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begins to serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Ends."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def sent(self) -> list[Event]:
        """Every event of every request, repeated ones too."""
        return [event for seen in self.seen for event in seen.events]

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers["content-length"]))
        plain = gzip.decompress(raw) if handler.headers.get("content-encoding") == "gzip" else raw
        told = json.loads(plain)
        is_batch = handler.path.endswith("/batch")
        exchange = Exchange(self, handler, told["events"] if is_batch else [told], is_batch)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            self.seen.append(Seen(handler.path, headers, exchange.events, raw, time.monotonic()))
            act = self.script.popleft() if self.script else Exchange.store_and_answer
        act(exchange)

    def keep(self, event: Event) -> dict[str, Any]:
        """What one event is told."""
        name = "feedback_id" if "feedback_type" in event else "inference_request_id"
        code = self.refuse(event)
        if code:
            errors = [{"pointer": "/feedback_value", "code": "out-of-range"}]
            return {name: event[name], "status": "refused", "code": code, "retryable": code == "busy", "errors": errors}
        with self._lock:
            before = self.stored.setdefault(event[name], event)
            offset = self._offsets.setdefault(event[name], len(self._offsets) + 1)
        if before is event:
            return {name: event[name], "status": "accepted", "offset": offset, "received_at": "2026-01-01T00:00:00Z"}
        if before == event:
            return {name: event[name], "status": "duplicate", "offset": offset, "received_at": "2026-01-01T00:00:00Z"}
        return {
            name: event[name],
            "status": "conflict",
            "code": "feedback-id-conflict",
            "retryable": False,
            "errors": [],
        }


@dataclass
class Exchange:
    """One request with the ways to answer it."""

    stub: Stub
    handler: BaseHTTPRequestHandler
    events: list[Event]
    is_batch: bool
    results: list[dict[str, Any]] = field(default_factory=list)

    def store_and_answer(self) -> None:
        """As the real server."""
        if any(self.stub.crashes_on(event) for event in self.events):
            self.problem(500, "internal")
        elif len(self.events) > self.stub.most_events:
            self.problem(413, "batch-too-large")
        else:
            self.store()
            self.answer_results()

    def store(self) -> None:
        """Keeps the events."""
        self.results = [{"index": at, **self.stub.keep(event)} for at, event in enumerate(self.events)]

    def answer_results(self) -> None:
        """Says what became of the events."""
        if self.is_batch:
            good = all(result["status"] in ("accepted", "duplicate") for result in self.results)
            self.answer(201 if good else 207, {"counts": {}, "results": self.results})
            return
        (result,) = self.results
        status = {"accepted": 201, "duplicate": 200, "conflict": 409, "refused": 422}[result["status"]]
        self.answer(status, result)

    def problem(self, status: int, code: str, **headers: str) -> None:
        """An RFC 9457 problem."""
        retryable = status in (408, 429, 503)
        self.answer(status, {"code": code, "retryable": retryable, "detail": "said so"}, **headers)

    def answer(self, status: int, body: Any, **headers: str) -> None:
        """An answer with a JSON body."""
        raw = json.dumps(body).encode()
        self.handler.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(raw)), **headers}.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(raw)

    def cut(self) -> None:
        """Closes the connection without a word."""
        self.handler.close_connection = True


def says(status: int, code: str, **headers: str) -> Callable[[Exchange], None]:
    """Answers with a problem and stores nothing."""
    return lambda exchange: exchange.problem(status, code, **headers)


def stores_then_cuts(exchange: Exchange) -> None:
    """Keeps the events, and the answer is lost: what a killed server leaves its clients with."""
    exchange.store()
    exchange.cut()


def cuts(exchange: Exchange) -> None:
    """Keeps nothing and answers nothing."""
    exchange.cut()


def answers_after(gate: threading.Event, then: Callable[[Exchange], None]) -> Callable[[Exchange], None]:
    """Holds the request until `gate` is set."""

    def act(exchange: Exchange) -> None:
        gate.wait(20)
        try:
            then(exchange)
        except OSError:
            exchange.cut()

    return act
