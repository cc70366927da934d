"""The receiver, small and runnable alone: `uvicorn api.receiver:app`; pages and administration are another app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from api import browsers, meters, openapi
from api.garbage import rare_collections
from api.receiver.asgi import THIN, Handler, ThinRoute, serve
from api.receiver.composition import receiving
from api.receiver.problems import BY_STATUS, problem
from feedback_ingest import errors
from feedback_ingest.clock import new_id
from feedback_ingest.errors import Fault, FeedbackError, NotFound, StorageUnavailable, ValidationFailed
from feedback_ingest.settings import Settings, get_settings

DESCRIPTION = "Feedback about a model's answers: a durable receipt or a named refusal for every event."
INGEST = {
    "/v1/feedback": ("Feedback", "Post one feedback event"),
    "/v1/feedback/batch": ("FeedbackBatch", "Post up to 1,000 feedback events"),
    "/v1/inferences": ("Inference", "Log one inference"),
    "/v1/inferences/batch": ("InferenceBatch", "Log up to 1,000 inferences"),
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The framework's app with every operation declared; `thin(app)` puts the thin route in front of it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with receiving(settings or get_settings()) as app.state.receiving:
            with rare_collections():
                yield

    app = FastAPI(
        title="Feedback",
        version="1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    _declare_ingest(app)
    app.include_router(browsers.router)
    _declare_health(app)
    _declare_problems(app)
    return app


def thin(app: FastAPI) -> ThinRoute:
    """`app` as it is served."""
    return ThinRoute(app)


class Thin(Response):
    """An ordinary route's way into the thin one: the request goes through as raw ASGI."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.background = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await serve(self.handler, scope["app"].state.receiving, scope, receive, send)


def _declare_ingest(app: FastAPI) -> None:
    for path, (shape, summary) in INGEST.items():

        def endpoint(request: Request) -> Response:
            return Thin(THIN[request.url.path])

        extra = openapi.operation(shape, batch=path.endswith("/batch"))
        app.add_api_route(
            path, endpoint, methods=["POST"], summary=summary, tags=["ingest"], openapi_extra=extra,
            response_class=Response, status_code=201, operation_id=path.strip("/").replace("/", "_"),
        )  # fmt: skip
    framework_openapi = app.openapi

    def with_shapes() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = framework_openapi()
            openapi.complete(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = with_shapes  # type: ignore[method-assign]


def _declare_health(app: FastAPI) -> None:
    @app.get("/healthz", tags=["operations"], summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operations"], summary="May traffic come?")
    async def readyz(request: Request) -> dict[str, str]:
        commits = request.app.state.receiving.door.intake.commits
        if not commits.is_up or commits.is_closing:
            raise StorageUnavailable()
        return {"status": "ready"}

    @app.get("/metrics", tags=["operations"], summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(meters.render(), media_type=meters.CONTENT_TYPE)

    @app.get("/problems/{code}", tags=["operations"], summary="What a problem's code means")
    async def describe_problem(code: str) -> dict[str, Any]:
        known = errors.every_code().get(code)
        if known is None:
            raise NotFound()
        return {"code": code, "status": known[0], "retryable": known[1], "meaning": known[2]}


def _declare_problems(app: FastAPI) -> None:
    async def told(request: Request, error: Exception) -> Response:
        known = error if isinstance(error, FeedbackError) else FeedbackError()
        return _response(known, request, browsers.cors_of_stranger(dict(request.scope), known.status))

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = BY_STATUS.get(error.status_code, FeedbackError)
        return _response(kind(), request, dict(error.headers or {}))

    async def parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = (Fault("/" + "/".join(map(str, one["loc"][1:])), "wrong-type") for one in error.errors())
        return _response(ValidationFailed(faults=tuple(faults)), request)

    app.add_exception_handler(FeedbackError, told)
    app.add_exception_handler(RequestValidationError, parameters)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(Exception, told)


def _response(error: FeedbackError, request: Request, extra: dict[str, str] | None = None) -> Response:
    status, headers, body = problem(error, str(new_id()), "")
    told = {name.decode(): value.decode() for name, value in headers}
    return Response(body, status, {**told, **(extra or {})})


app = thin(create_app())
