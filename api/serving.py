"""Runs an app on granian, whose HTTP/1 side bounds headers and their time; bodies are bounded by the receiver."""

import socket

from granian import Granian
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings

from feedback_ingest.errors import SetupError
from feedback_ingest.transport import Tls

HEADER_TIMEOUT_MS = 10_000
HEADER_BYTES = 65_536


def serve(target: str, host: str, port: int, tls: Tls | None = None) -> None:
    """Serves `target` (module:attribute) until SIGTERM or Ctrl-C; raises SetupError when the port is taken."""
    refuse_taken_port(host, port)
    server = Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
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
    server.serve()


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
