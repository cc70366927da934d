"""The receiver as an ASGI app: the thin route takes the ingest paths, the framework's app everything else."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from api import meters
from api.buffered import drain
from api.receiver.bodies import Receive
from api.receiver.composition import Receiving
from api.receiver.door import Door
from api.receiver.problems import Answer, Send, answer, problem
from api.visits import told_beside
from feedback_ingest.clock import monotonic_s, new_id
from feedback_ingest.errors import FeedbackError, PayloadTooLarge, RequestTimeout, UriTooLong
from feedback_ingest.intake import FEEDBACK, INFERENCE

log = logging.getLogger("feedback.api")
Scope = dict[str, Any]
Handler = Callable[[Door, Scope, Receive], Awaitable[Answer]]

THIN: dict[str, Handler] = {
    "/v1/feedback": partial(lambda kind, door, scope, receive: door.single(kind, scope, receive), FEEDBACK),
    "/v1/feedback/batch": partial(lambda kind, door, scope, receive: door.batch(kind, scope, receive), FEEDBACK),
    "/v1/inferences": partial(lambda kind, door, scope, receive: door.single(kind, scope, receive), INFERENCE),
    "/v1/inferences/batch": partial(lambda kind, door, scope, receive: door.batch(kind, scope, receive), INFERENCE),
}
MAX_URI = 8_192


class ThinRoute:
    """`app` with the ingest paths taken in front of it; `app.state.receiving` is set while it is up."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            handler = THIN.get(scope["path"]) if scope["method"] == "POST" else None
            if handler is not None:
                await serve(handler, self.app.state.receiving, scope, receive, send)
                return
            if len(scope["path"]) + len(scope["query_string"]) > MAX_URI:
                await answer(scope, send, *problem(UriTooLong(), str(new_id())))
                return
        await self.app(scope, receive, send)


async def serve(handler: Handler, receiving: Receiving, scope: Scope, receive: Receive, send: Send) -> None:
    """One ingest request from its headers to its answer; whatever happens inside, the client gets a named answer."""
    began = monotonic_s()
    overlong = refused = False
    try:
        if len(scope["query_string"]) > MAX_URI:
            raise UriTooLong()
        status, headers, body = await handler(receiving.door, scope, receive)
    except FeedbackError as error:
        overlong = isinstance(error, (PayloadTooLarge, RequestTimeout))
        refused = not isinstance(error, RequestTimeout)
        status, headers, body = problem(error, str(new_id()), scope["path"])
    except Exception:
        request_id = str(new_id())
        log.exception("request %s failed", request_id)
        status, headers, body = problem(FeedbackError(), request_id, scope["path"])
    if refused:  # only here: inside the except the error would hold what was read
        await drain(scope, receive)
    meters.answered(status, monotonic_s() - began)
    headers = [*headers, *told_beside(scope, status)]
    if overlong:
        headers = [*headers, (b"connection", b"close")]
    await answer(scope, send, status, headers, body)
