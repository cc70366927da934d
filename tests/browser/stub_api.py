"""A feedback API in this process that answers as the contract says, remembers what it was sent, and fails when told."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from feedback_ingest.feedback_types import collect

Answer = tuple[int, dict[str, Any], dict[str, str]]
KEY = "fk_test_00112233aabbccdd_" + "s" * 43


def feedback_types() -> list[dict[str, Any]]:
    """What `GET /v1/feedback-types` says."""
    return [
        {"name": name, "version": kind.version, "metric": kind.metric, "widget": kind.widget, "examples": kind.examples}
        for name, kind in collect().items()
    ]


def problem(status: int, code: str, retryable: bool = False, **headers: str) -> Answer:
    """A refusal."""
    body = {"type": f"/problems/{code}", "code": code, "status": status, "retryable": retryable, "errors": []}
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


class QuietServer(ThreadingHTTPServer):
    """A browser that is closed resets its connections; that is no news."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Silent."""


class StubApi:
    """The API at `url`; `stored` holds each event once, `refuse` answers in its place while it is set."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.stored: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.refuse: Callable[[dict[str, Any]], Answer | None] = lambda event: None
        self._lock = threading.Lock()
        self._server = QuietServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def open(self) -> None:
        """Starts to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def events(self) -> list[dict[str, Any]]:
        """What is stored, in order."""
        with self._lock:
            return list(self.stored.values())

    def sent(self, method: str, path: str) -> list[dict[str, str]]:
        """Headers of the requests of one kind, in lower case."""
        with self._lock:
            return [headers for was, at, headers in self.requests if (was, at) == (method, path)]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """One request's answer."""
        with self._lock:
            self.requests.append((method, path, headers))
            self.bodies.append(body)
            if headers.get("authorization") != f"Bearer {KEY}":
                return problem(401, "unauthenticated")
            if (method, path) == ("GET", "/v1/feedback-types"):
                types = {"feedback_types": feedback_types()}
                return 200, types, {"Cache-Control": "private, max-age=300"}
            if (method, path) == ("POST", "/v1/feedback"):
                return self._one(json.loads(body))
            if (method, path) == ("POST", "/v1/feedback/batch"):
                return self._many(json.loads(body)["events"])
            return problem(404, "not-found")

    def _one(self, event: dict[str, Any]) -> Answer:
        refused = self.refuse(event)
        if refused is not None:
            return refused
        msgspec.convert(event["feedback_value"], collect()[event["feedback_type"]])
        known = self.stored.get(event["feedback_id"])
        if known not in (None, event):
            return problem(409, "feedback-id-conflict")
        self.stored[event["feedback_id"]] = event
        offset = list(self.stored).index(event["feedback_id"]) + 1
        status = "duplicate" if known else "accepted"
        return (200 if known else 201), {"feedback_id": event["feedback_id"], "status": status, "offset": offset}, {}

    def _many(self, events: list[dict[str, Any]]) -> Answer:
        answers = [self._one(event) for event in events]
        results = [{"index": i, **body} for i, (_, body, _) in enumerate(answers)]
        for result, (status, _, _) in zip(results, answers, strict=True):
            result["status"] = result["status"] if status < 300 else "refused"
        return (201 if all(status < 300 for status, _, _ in answers) else 207), {"results": results}, {}


def _handler(api: StubApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_OPTIONS(self) -> None:
            api.requests.append(("OPTIONS", self.path, self._lower()))
            allowed = {
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": "authorization, content-type",
                "Access-Control-Max-Age": "600",
            }
            self._send(204, b"", allowed)

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            status, value, headers = api.answer(self.command, self.path, self._lower(), body)
            self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            cors = {"Access-Control-Allow-Origin": api.origin, "Access-Control-Expose-Headers": "retry-after"}
            for name, text in {**cors, **headers, "Vary": "Origin", "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def _lower(self) -> dict[str, str]:
            return {name.lower(): value for name, value in self.headers.items()}

        def log_message(self, *_: Any) -> None:
            """Silent."""

    return Handler
