"""Where gRPC listens, if it does, and how it starts and ends with the API that it stands beside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from api.grpc_door.ports import port_of
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings, refuse_old_tls_in_grpc
from feedback_ingest.transport import refuse_plain_text, tls_of

if TYPE_CHECKING:
    from api.grpc_door.calls import Door

HEALTH_S = 0.5


@asynccontextmanager
async def listening(settings: Settings, database: Database, door: "Door") -> AsyncIterator[int | None]:
    """Serves gRPC on the port it yields; None where it is not served.

    At the end nothing new is taken, what is begun is answered, and streams are told to come again. Raises SetupError
    for a port in use, plain text to other machines, or a certificate that cannot be used.
    """
    port = port_of(settings)
    if port is None:
        yield None
        return
    tls = tls_of(settings)
    refuse_plain_text(settings.api_host, tls, settings.behind_proxy)
    if tls is not None and tls.min_version == "1.3":
        refuse_old_tls_in_grpc()
    from api.grpc_door.server import Server  # heavy, and now it is known to be wanted

    server = Server(settings, database, door)
    host = settings.api_host.strip("[]")
    await server.start(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", tls)
    telling = asyncio.create_task(server.tell_health(HEALTH_S))
    try:
        yield port
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        await server.stop(settings.commit_deadline_s)
