"""Somebody's web site with the widget on it, and how a test waits for what its pages do."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.browser.stub_api import QuietServer
from tests.support.waiting import wait_for

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "web"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src *; require-trusted-types-for 'script'"


def until(page: Any, holds: str, within_s: float = 10) -> None:
    """Returns once an expression is true in the page; Playwright's own way evaluates text, which the policy forbids."""
    wait_for(lambda: bool(page.evaluate(holds)), within_s, holds)


class Pages:
    """The web server of somebody's site: the client's files, and pages made by the tests, under a strict policy."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        handler = partial(_PageHandler, self.made, directory=str(CLIENT))
        self._server = QuietServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def make(self, body: str) -> str:
        """The address of a page with this body and the widget."""
        name = f"/page-{len(self.made)}"
        script = '<script type="module" src="/widget.js"></script>'
        self.made[name] = f"<!doctype html><html lang=en><meta charset=utf-8>{script}<body>{body}"
        return self.url + name

    def close(self) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _PageHandler(SimpleHTTPRequestHandler):
    def __init__(self, made: dict[str, str], *arguments: Any, **options: Any) -> None:
        self._made = made
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        made = self._made.get(self.path)
        if made is None:
            super().do_GET()
            return
        body = made.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silent."""
