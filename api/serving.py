"""Runs an app on granian, whose HTTP/1 side bounds headers and their time; bodies are bounded by the receiver."""

import socket
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings

from feedback_ingest.errors import SetupError
from feedback_ingest.settings import share_figures
from feedback_ingest.transport import Tls

HEADER_TIMEOUT_MS = 10_000
HEADER_BYTES = 65_536
ENDS = 5
ENDS_S = 30.0


class Respawns(dict[int, float]):
    """When each worker was last started again, as granian asks for it: told only of one that keeps ending.

    By itself granian gives up, and ends all workers, as soon as one ends twice within 5.5 seconds. With this it does
    after ENDS starts of that worker within ENDS_S seconds; `feedback api` then exits with 1, for its supervisor.
    """

    def __init__(self) -> None:
        super().__init__()
        self._starts: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=ENDS))

    def __setitem__(self, worker: int, at_s: float) -> None:
        self._starts[worker].append(at_s)

    def get(self, worker: int, default: Any = None) -> Any:
        """The last start of a worker that keeps ending; `default` for any other."""
        starts = self._starts[worker]
        return starts[-1] if len(starts) == ENDS and starts[-1] - starts[0] <= ENDS_S else default

    def clear(self) -> None:
        """granian forgets at every end; what is remembered here ages by itself."""


def serve(target: str, host: str, port: int, tls: Tls | None = None, workers: int = 1) -> None:
    """Serves `target` (module:attribute) until SIGTERM or Ctrl-C; a worker that ends is started again.

    Raises SetupError when the port is taken, and SystemExit(1) when a worker ends again and again.
    """
    if workers > 1 and port == 0:
        raise SetupError("several workers need a port in common; set FEEDBACK_API_PORT to another than 0")
    refuse_taken_port(host, port)
    server = Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS, max_buffer_size=HEADER_BYTES),
        log_access=False,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        ssl_cert=tls.cert if tls else None,
        ssl_key=tls.key if tls else None,
        ssl_protocol_min=SSLProtocols.tls13 if tls and tls.min_version == "1.3" else SSLProtocols.tls12,
    )
    server.respawned_wrks = Respawns()
    with figures_of(workers):
        server.serve()


@contextmanager
def figures_of(workers: int) -> Iterator[None]:
    """A folder for what several workers count, as long as they serve; one counts for itself."""
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="feedback-figures-", ignore_cleanup_errors=True) as folder:
        share_figures(folder)
        yield


def refuse_taken_port(host: str, port: int) -> None:
    """Raises SetupError unless `port` is free: a leftover process there would answer in our place."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise SetupError(f"cannot listen on {host}:{port} ({reason}); choose another FEEDBACK_API_PORT") from error
