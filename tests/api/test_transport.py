"""Secure transmission: TLS that a client can verify, and no plain text to other machines."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import grpc
import httpx
import pytest
from sqlalchemy import make_url

from feedback_ingest.errors import SetupError
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings
from feedback_ingest.transport import refuse_plain_text, tls_of
from tests.api.conftest import PEPPER
from tests.api.rpc import Rpc, event
from tests.ports import free_port
from tests.support.throwaway_ca import Authority, authority
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the clients trust."""
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def grpc_port() -> int:
    """Where it serves gRPC."""
    return free_port()


@pytest.fixture(scope="module", params=["1.2", "1.3"])
def secure(
    request: pytest.FixtureRequest,
    database: Database,
    ca: Authority,
    grpc_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, str]]:
    """The address of `feedback api` with TLS by settings, and its oldest version."""
    cert, key = ca.sign("127.0.0.1")
    port, folder = free_port(), tmp_path_factory.mktemp("secure")
    settings = {
        "FEEDBACK_DATABASE_URL": database.url,
        "FEEDBACK_DATA_DIR": str(folder),
        "FEEDBACK_PEPPER": PEPPER,
        "FEEDBACK_TLS_CERT": str(cert),
        "FEEDBACK_TLS_KEY": str(key),
        "FEEDBACK_TLS_MIN_VERSION": request.param,
        "FEEDBACK_GRPC_PORT": str(grpc_port),
    }
    command = [sys.executable, "-m", "feedback_cli", "api", "--port", str(port), "--only", "ingest"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True)
    try:
        trusting = ssl.create_default_context(cafile=ca.cert)

        def is_ready() -> bool:
            try:
                return httpx.get(f"https://127.0.0.1:{port}/readyz", verify=trusting, trust_env=False).is_success
            except httpx.HTTPError:
                assert process.poll() is None, (folder / "log").read_text()
                return False

        wait_for(is_ready, 40)
        yield f"https://127.0.0.1:{port}", request.param
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_a_client_verifies_the_door(
    secure: tuple[str, str], ca: Authority, make_key: Callable[..., str], tmp_path: Path
) -> None:
    """One that trusts the authority is served; one that trusts another, or speaks plain text or old TLS, is not."""
    url, oldest = secure
    event = {
        "inference_request_id": "r",
        "model_version": "m",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }
    headers = {"Authorization": f"Bearer {make_key('ingest')}"}
    trusting = ssl.create_default_context(cafile=ca.cert)
    other = ssl.create_default_context(cafile=authority(tmp_path, "other").cert)
    old = ssl.create_default_context(cafile=ca.cert)
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    with httpx.Client(verify=trusting, trust_env=False) as client:
        assert client.post(f"{url}/v1/feedback", json=event, headers=headers).status_code == 201
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{url}/readyz", verify=other, trust_env=False)
    with pytest.raises(httpx.HTTPError):
        httpx.get(url.replace("https", "http") + "/readyz", trust_env=False)
    if oldest == "1.3":
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/readyz", verify=old, trust_env=False)
    else:
        assert httpx.get(f"{url}/readyz", verify=old, trust_env=False).is_success


def test_a_client_verifies_grpc(
    secure: tuple[str, str], grpc_port: int, ca: Authority, make_key: Callable[..., str], tmp_path: Path
) -> None:
    """The same certificate and the same oldest version as HTTP; no plain text, and nobody who trusts another."""
    address, key = f"127.0.0.1:{grpc_port}", make_key("ingest")
    trusting = grpc.ssl_channel_credentials(ca.cert.read_bytes())
    other = grpc.ssl_channel_credentials(authority(tmp_path, "other").cert.read_bytes())

    with grpc.secure_channel(address, trusting) as channel:
        assert Rpc(channel, key).submit(event()).offset
    for channel in (grpc.secure_channel(address, other), grpc.insecure_channel(address)):
        with channel, pytest.raises(grpc.RpcError) as caught:
            Rpc(channel, key).submit(event())
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE

    spoken = {
        version: handshake(grpc_port, ca, version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    }
    assert spoken == {ssl.TLSVersion.TLSv1_2: secure[1] == "1.2", ssl.TLSVersion.TLSv1_3: True}


def handshake(port: int, ca: Authority, version: ssl.TLSVersion) -> bool:
    """Whether the server speaks exactly that version."""
    context = ssl.create_default_context(cafile=ca.cert)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "[::]", "1.2.3.4"])
def test_plain_text_to_other_machines_is_refused(host: str) -> None:
    """Unless TLS is set or somebody says that a proxy speaks it; loopback needs neither."""
    with pytest.raises(SetupError, match="--behind-proxy"):
        refuse_plain_text(host, None, is_behind_proxy=False)

    refuse_plain_text(host, None, is_behind_proxy=True)
    for near in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        refuse_plain_text(near, None, is_behind_proxy=False)


def test_the_command_refuses_plain_text(database: Database, tmp_path: Path) -> None:
    """`feedback api --host 0.0.0.0` ends with one line and exit code 1."""
    settings = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "feedback_cli", "api", "--host", "0.0.0.0", "--port", str(free_port())]

    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=60)

    assert (done.returncode, "--behind-proxy" in done.stderr) == (1, True)
    assert len(done.stderr.strip().splitlines()) == 1


def test_half_a_pair_is_told(ca: Authority, tmp_path: Path) -> None:
    """A certificate without its key, with another's, or none at all is a line for the operator, not a dead worker."""
    cert, _ = ca.sign("a.example")
    _, other = ca.sign("b.example")
    for settings in (
        Settings(tls_cert=cert),
        Settings(tls_cert=cert, tls_key=other),
        Settings(tls_cert=tmp_path / "none", tls_key=other),
    ):
        with pytest.raises(SetupError, match="FEEDBACK_TLS_KEY"):
            tls_of(settings)


@pytest.fixture
def secure_postgres(database: Database, ca: Authority) -> Iterator[int]:
    """The port of a gate that speaks PostgreSQL's TLS for `localhost` and hands on to the embedded server, which is
    built without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.sign("localhost"))
    behind = f"{database._url.query['host']}/.s.PGSQL.5432"

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def gate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(8)  # SSLRequest
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(context)
            inner = await asyncio.open_unix_connection(behind)
            await asyncio.gather(pump(reader, inner[1]), pump(inner[0], writer))
        writer.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(gate, "127.0.0.1", 0), loop).result(10)
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def test_every_driver_verifies_postgres(
    database: Database, ca: Authority, secure_postgres: int, tmp_path: Path
) -> None:
    """`sslmode=verify-full` in the URL reaches all three drivers: each checks the authority and the name."""
    import psycopg2

    def reach(host: str, root: Path) -> list[str]:
        name = database._url.database
        url = f"postgresql://postgres@{host}:{secure_postgres}/{name}?sslmode=verify-full&sslrootcert={root}"
        opened = Database(make_url(url))
        reached = []

        async def ask() -> None:
            connection = await asyncpg.connect(opened.asyncpg_dsn, timeout=5)
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()

        for driver, attempt, refusal in (
            ("psycopg", lambda: open_database(Settings(database_url=url)).close(), Exception),
            (
                "psycopg2",
                lambda: psycopg2.connect(opened.asyncpg_dsn, connect_timeout=5).close(),
                psycopg2.OperationalError,
            ),
            ("asyncpg", lambda: asyncio.run(ask()), (OSError, asyncpg.PostgresError)),
        ):
            try:
                attempt()
            except refusal:
                continue
            reached.append(driver)
        return reached

    assert reach("localhost", ca.cert) == ["psycopg", "psycopg2", "asyncpg"]
    assert reach("127.0.0.1", ca.cert) == [], "the certificate is for another name"
    assert reach("localhost", authority(tmp_path, "other").cert) == [], "nobody knows that authority"
