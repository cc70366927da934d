"""The port gRPC will listen on, found out before anything is started; light enough for the command line."""

import errno
import logging
import socket

from feedback_ingest.errors import SetupError
from feedback_ingest.settings import Settings

log = logging.getLogger("feedback.api")


def port_of(settings: Settings) -> int | None:
    """The port, a free one for 0; None where gRPC is switched off, or nobody set a port and the usual one is in use.

    Raises SetupError where the port that was set is in use: whoever chose it would talk to somebody else.
    """
    if not settings.grpc:
        return None
    host, port = settings.api_host.strip("[]"), settings.grpc_port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.grpc_share_port:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
            told = f"gRPC port {port} on {host} {why}; set FEEDBACK_GRPC_PORT to a free one, or FEEDBACK_GRPC to false"
            if "grpc_port" in settings.model_fields_set:
                raise SetupError(told) from error
            log.warning("gRPC is not served: %s", told)
            return None
        return int(probe.getsockname()[1])
