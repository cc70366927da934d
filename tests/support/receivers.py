"""A receiver of webhooks on loopback that remembers what came, and answers, late or never, as a test says."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.waiting import wait_for


@dataclass(frozen=True)
class Arrival:
    """One request as it came, and when its first byte was there."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float

    @property
    def message_id(self) -> str:
        """Its webhook-id."""
        return self.headers["webhook-id"]


Behaviour = Callable[[BaseHTTPRequestHandler, int], None]
"""Answers a request; the number counts all that came, from 1."""


def answering(*statuses: int, **headers: str) -> Behaviour:
    """Answers with the statuses in turn, and with the last one from then on."""

    def behave(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.send_response(statuses[min(number, len(statuses)) - 1])
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "7")
        handler.end_headers()
        handler.wfile.write(b"thanks!")

    return behave


@dataclass
class Receiver:
    """A running receiver; `behave` may be exchanged at any time."""

    behave: Behaviour = field(default_factory=lambda: answering(204))
    arrivals: list[Arrival] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        """The webhook-ids in the order in which they came."""
        return [arrival.message_id for arrival in self.arrivals]

    def wait(self, count: int, deadline_s: float = 60.0) -> None:
        """Returns once so many requests have come."""
        wait_for(lambda: len(self.arrivals) >= count, deadline_s, f"{count} requests, not {len(self.arrivals)}")


@contextmanager
def receiving(behave: Behaviour | None = None, port: int = 0) -> Iterator[Receiver]:
    """A receiver until the block ends."""
    receiver = Receiver(behave or answering(204))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            self.at_s = time.monotonic()
            super().handle()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                receiver.arrivals.append(Arrival(self.path, headers, body, self.at_s))
                number = len(receiver.arrivals)
            receiver.behave(self, number)

        def log_message(self, *_: object) -> None:
            """Tests read what came, not a log."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A sender that hangs up is what some tests are about."""

    with Server(("127.0.0.1", port), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
