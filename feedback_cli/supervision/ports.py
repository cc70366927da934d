"""TCP ports: is one free, which one is, does something answer there; asked before anything is started."""

import errno
import socket

from feedback_ingest.errors import SetupError


class PortInUse(SetupError):
    """A port we need is taken; stop what listens there or choose another port."""


def claim(host: str, port: int, setting: str) -> int:
    """The port itself when it is free, a free one for 0; raises PortInUse naming `setting`, the variable to change."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = "is in use; stop what listens there"
            else:
                why = f"cannot be bound ({error.strerror})"
            raise PortInUse(f"port {port} on {host} {why}, or set {setting} to a free port (0 picks one)") from error
        return int(probe.getsockname()[1])


def answers(host: str, port: int) -> bool:
    """Does anything accept a connection there?"""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False
