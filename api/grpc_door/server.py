"""The gRPC server itself: our methods, health and reflection on grpc.aio, in the event loop that HTTP has."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door.calls import Call, Door, Shared
from api.grpc_door.methods import METHODS
from feedback_ingest.errors import FeedbackError, SetupError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_ingest.transport import Tls

log = logging.getLogger("feedback.api")
SERVICE = pb.DESCRIPTOR.services_by_name["FeedbackIngestion"].full_name
KEEPALIVE_MS = 60_000
METADATA_BYTES = 16_384
CALLS = 1_000
CALLS_OF_A_CONNECTION = 100
SLACK_BYTES = 65_536
"""What a message may be larger than the largest body before gRPC refuses it itself, without one of our codes."""
Method = Callable[[Call], Awaitable[None]]


class Server:
    """One listening server; `start` it once and `stop` it once."""

    def __init__(self, settings: Settings, database: Database, door: Door) -> None:
        self._shared = Shared(door, database)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=_options(settings), maximum_concurrent_rpcs=CALLS)
        handlers = {name: self._handler(name, method) for name, method in METHODS.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, address: str, tls: Tls | None) -> None:
        """Listens on host:port; raises SetupError where that is taken."""
        try:
            if tls is None:
                self._server.add_insecure_port(address)
            else:
                pair = (tls.key.read_bytes(), tls.cert.read_bytes())
                self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        except RuntimeError as error:
            raise SetupError(f"gRPC cannot listen on {address}; choose another FEEDBACK_GRPC_PORT") from error
        await self._server.start()

    async def tell_health(self, every_s: float) -> None:
        """Runs until cancelled: serving is told while the log can be written, as /readyz does."""
        while True:
            commits = self._shared.door.intake.commits
            is_ready = commits.is_up and not commits.is_closing
            state = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
            for name in ("", SERVICE):
                await self._health.set(name, state)
            await asyncio.sleep(every_s)

    async def stop(self, grace_s: float) -> None:
        """Takes nothing new; what is begun has `grace_s` to be answered, streams end when it is."""
        await self._health.enter_graceful_shutdown()
        self._shared.closing.set()
        await self._server.stop(grace_s)

    def _handler(self, name: str, method: Method) -> grpc.RpcMethodHandler:
        """Every method reads its messages itself, as a stream: so the key comes first, and bytes are ours to judge.

        On the wire a unary call is a stream of one message; clients and reflection see it as it is declared.
        """

        async def serve(_: Any, context: Any) -> None:
            call = Call(name, self._shared, context)
            try:
                await method(call)
            except FeedbackError as error:
                await call.refuse(error)
            except grpc.aio.BaseError:
                log.debug("the client of %s went away", name)
            except Exception:
                log.exception("a call of %s failed", name)
                await call.refuse(FeedbackError())
            else:
                call.end()

        return grpc.stream_stream_rpc_method_handler(serve)


def _options(settings: Settings) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", int(settings.grpc_share_port)),
        ("grpc.max_receive_message_length", settings.max_body_bytes + SLACK_BYTES),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.max_concurrent_streams", CALLS_OF_A_CONNECTION),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS // 3),
    ]
