"""The API as its users meet it: the whole app in this process, or on its server in a process of its own."""

import asyncio
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
import httpx
import pytest
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from tests.ports import free_port

T = TypeVar("T")
PEPPER = "pepper of the tests, long enough"


@pytest.fixture(scope="module")
def make_key(database: Database) -> Callable[..., str]:
    """Makes keys in the module's database."""

    def make(*scopes: str, **options: Any) -> str:
        with Session(database.engine) as session:
            key = keys.create(session, "default", list(scopes), utc_now(), **options).key
            session.commit()
        return key

    return make


class Client:
    """A synchronous client of the app, which runs with its lifespan in a loop of its own."""

    def __init__(self, app: Any, data_dir: Path = Path()) -> None:
        self._app = app
        self.data_dir = data_dir
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the app's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def open(self) -> None:
        """Starts the app."""
        self._thread.start()
        self._lifespan = self._app.app.router.lifespan_context(self._app.app)
        self.run(self._lifespan.__aenter__())
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://app")
        deadline_s = monotonic_s() + 60
        while self.get("/readyz").status_code != 200:
            assert monotonic_s() < deadline_s, "the app did not become ready"

    def close(self) -> None:
        """Stops the app."""
        self.run(self._http.aclose())
        self.run(self._lifespan.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        """GET, with a key or without."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.run(self._http.get(path, headers=headers))

    def patch(self, path: str, key: str, body: Any, media: str = "application/json") -> httpx.Response:
        """PATCH of a JSON value."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": media}
        return self.run(self._http.patch(path, headers=headers, json=body))

    def put(self, path: str, key: str, body: Any) -> httpx.Response:
        """PUT of a JSON value."""
        return self.run(self._http.put(path, headers={"Authorization": f"Bearer {key}"}, json=body))

    def delete(self, path: str, key: str) -> httpx.Response:
        """DELETE."""
        return self.run(self._http.delete(path, headers={"Authorization": f"Bearer {key}"}))

    def post(self, path: str, key: str, body: Any, **headers: str) -> httpx.Response:
        """POST of a JSON value, or of bytes as they are."""
        given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | headers
        raw = body if isinstance(body, bytes) else httpx.Request("POST", "/", json=body).content
        return self.run(self._http.post(path, headers=given, content=raw))


@pytest.fixture(scope="module")
def grpc_port() -> int:
    """Where the app of `client` serves gRPC."""
    return free_port()


@pytest.fixture(scope="module")
def client(database: Database, grpc_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The whole app, started."""
    from api.app import create_whole_app
    from api.receiver import thin

    folder = tmp_path_factory.mktemp("api")
    settings = Settings(data_dir=folder, database_url=database.url, pepper=PEPPER, grpc_port=grpc_port)
    client = Client(thin(create_whole_app(settings)), folder)
    client.open()
    yield client
    client.close()


@pytest.fixture(scope="module")
def channel(client: Client, grpc_port: int) -> Iterator[grpc.Channel]:
    """A gRPC connection to the app of `client`."""
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as opened:
        yield opened


@pytest.fixture(scope="module")
def served(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `feedback api` in a process of its own."""
    import os

    port = free_port()
    folder = tmp_path_factory.mktemp("served")
    settings = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(folder), "FEEDBACK_PEPPER": PEPPER}
    settings["FEEDBACK_GRPC"] = "false"
    command = [sys.executable, "-m", "feedback_cli", "api", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(20) == 0


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, within_s: float = 60) -> None:
    """Returns once /readyz answers 200."""
    deadline_s = monotonic_s() + within_s
    while monotonic_s() < deadline_s and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            continue
    raise AssertionError(f"the API is not ready:\n{log.read_text()}")


@pytest.fixture
def group() -> str:
    """A group of the test's own, which starts behind what other tests left."""
    return f"g-{uuid.uuid4()}"


@pytest.fixture
def stream(database: Database, tmp_path: Path) -> Callable[[], int]:
    """Has the stream process everything; where it stands."""
    settings = Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER)
    return lambda: catch_up(database, settings)
