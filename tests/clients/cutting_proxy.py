"""A TCP proxy that loses answers: the request goes through whole, the server answers, and the client hears nothing."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class CuttingProxy:
    """Stands before `url`; the first `cuts` answers are thrown away with their connections."""

    def __init__(self, url: str, cuts: int) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._left = cuts
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def has_cut(self) -> bool:
        """Whether every answer that was to be lost has been."""
        return self._left == 0

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            threading.Thread(target=self._copy, args=(near, far), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                target.sendall(chunk)
        _end(target)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while chunk := far.recv(65_536):
                with self._lock:
                    is_lost, self._left = self._left > 0, max(self._left - 1, 0)
                if is_lost:
                    break
                near.sendall(chunk)
        _end(near)
        _end(far)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
