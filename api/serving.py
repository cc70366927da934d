"""Runs an app on uvicorn, guarded: a supervisor that starts a worker again when it ends, and one worker or several."""

import multiprocessing
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from api.guarded_http import GuardedHttp
from feedback_ingest.errors import SetupError
from feedback_ingest.settings import share_figures
from feedback_ingest.transport import Tls

GRACE_S = 9
"""For answering what was taken before SIGTERM; a request waits no longer than 8 s for its commit."""
LOOK_S = 1
BACKLOG = 2_048


def serve(target: str, listener: socket.socket, tls: Tls | None = None, workers: int = 1) -> None:
    """Serves `target` (module:attribute) until SIGTERM or Ctrl-C; a worker that ends is started again.

    Raises SystemExit(1) when a worker cannot start.
    """
    config = Orderly(
        target,
        http=GuardedHttp,
        loop="uvloop",
        ws="none",
        lifespan="on",
        workers=workers,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_notify=LOOK_S,
        callback_notify=partial(end_with, os.getpid()),
        ssl_certfile=tls.cert if tls else None,
        ssl_keyfile=tls.key if tls else None,
        ssl_context_factory=partial(from_version, oldest=tls.min_version) if tls else None,
    )
    with listener, figures_of(workers):
        supervisor = Multiprocess(config, sockets=[listener])
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise SystemExit(1)


async def end_with(supervisor: int) -> None:
    """Ends a worker in order whose supervisor was killed: the next one finds its port free."""
    if os.getppid() != supervisor:
        signal.raise_signal(signal.SIGTERM)


class Orderly(Config):
    """uvicorn's configuration, with which a worker that was told to end also does what is left for its exit.

    uvicorn ends by raising the signal again that it was told by, which by itself ends a process on the spot: an
    embedded PostgreSQL would go on without anybody who uses it.
    """

    def configure_logging(self) -> None:
        """What uvicorn calls first in a worker."""
        super().configure_logging()
        if multiprocessing.parent_process() is not None:
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())


def listen(host: str, port: int) -> socket.socket:
    """The socket that every worker accepts from, and nobody else from now on; raises SetupError where it is taken."""
    refuse_taken_port(host, port)
    listener = socket.socket(family_of(host), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def from_version(_: Config, make: Callable[[], ssl.SSLContext], oldest: str) -> ssl.SSLContext:
    """uvicorn's context, which speaks nothing older than `oldest`."""
    context = make()
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if oldest == "1.3" else ssl.TLSVersion.TLSv1_2
    return context


def family_of(host: str) -> socket.AddressFamily:
    """IPv6 where the address is written so."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


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
    with socket.socket(family_of(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise SetupError(f"cannot listen on {host}:{port} ({reason}); choose another FEEDBACK_API_PORT") from error
