"""The gRPC server: found by health and reflection, on the port it was given or not at all, ended without a loss."""

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from sqlalchemy import text
from sqlmodel import Session

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door.listening import listening
from api.grpc_door.ports import port_of
from feedback_ingest.errors import SetupError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from tests.api.conftest import PEPPER, Client, wait_until_ready
from tests.api.rpc import Rpc, event
from tests.ports import free_port
from tests.support.waiting import wait_for

MakeKey = Callable[..., str]
SERVICE = "feedback.v1.FeedbackIngestion"
ROOT = Path(__file__).parents[2]
PLANTED = ROOT / "tests" / "support" / "planted"
CLIENT = """
import sys, uuid
import grpc
from api.grpc_door import feedback_pb2 as pb, feedback_pb2_grpc as stubs
EVENT = b'{"feedback_id":"%s","inference_request_id":"r","model_version":"m","feedback_type":"explicit_binary",'
EVENT += b'"feedback_value":{"positive":true}}'
def messages():
    while True:
        yield pb.StreamFeedbackRequest(events=[EVENT % str(uuid.uuid4()).encode() for _ in range(20)])
with grpc.insecure_channel(sys.argv[1]) as channel:
    metadata = (("authorization", f"Bearer {sys.argv[2]}"),)
    try:
        for answer in stubs.FeedbackIngestionStub(channel).StreamFeedback(messages(), metadata=metadata):
            print(*(f"{one.id}={one.offset}" for one in answer.receipts), flush=True)
    except grpc.RpcError as error:
        print("ended", error.code().name, flush=True)
"""


@contextmanager
def serving(database: Database, folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`feedback api` in a process group of its own, and the port of its gRPC."""
    port, grpc_port = free_port(), free_port()
    settings = {
        "FEEDBACK_DATABASE_URL": database.url,
        "FEEDBACK_DATA_DIR": str(folder),
        "FEEDBACK_PEPPER": PEPPER,
        "FEEDBACK_GRPC_PORT": str(grpc_port),
    }
    command = [sys.executable, "-m", "feedback_cli", "api", "--port", str(port), "--only", "ingest"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | settings | environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process, folder / "log")
        yield process, grpc_port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@contextmanager
def streaming(port: int, key: str, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A client in a process of its own that streams without end and writes down what is acknowledged."""
    with out.open("wb") as written:
        client = subprocess.Popen([sys.executable, "-c", CLIENT, f"127.0.0.1:{port}", key], stdout=written)
    try:
        wait_for(lambda: out.read_bytes().count(b"\n") > 20 or client.poll() is not None, 60, "acknowledgements")
        yield client
    finally:
        client.kill()
        client.wait(20)


def lost(session: Session, out: Path) -> int:
    """How many acknowledged events are not in the log; those that are stand at the offset that was told."""
    session.rollback()
    rows = session.execute(text("SELECT id, log_offset FROM staging.feedback_events"))
    stored = {row.id: row.log_offset for row in rows}
    whole = out.read_text().rpartition("\n")[0]
    acknowledged = dict(pair.split("=") for pair in whole.split() if "=" in pair)
    assert len(acknowledged) > 400
    kept = [name for name in acknowledged if name in stored]
    assert {name: acknowledged[name] for name in kept} == {name: str(stored[name]) for name in kept}
    return len(acknowledged) - len(kept)


def test_reflection_lists_the_service(channel: grpc.Channel) -> None:
    """A client that knows nothing, as grpcurl, finds the service, its methods and the shape of a request."""
    database = ProtoReflectionDescriptorDatabase(channel)

    services = database.get_services()
    service = DescriptorPool(database).FindServiceByName(SERVICE)

    assert {SERVICE, "grpc.health.v1.Health"} <= set(services)
    assert [method.name for method in service.methods] == [
        method.name for method in pb.DESCRIPTOR.services_by_name["FeedbackIngestion"].methods
    ]
    assert GetMessageClass(service.FindMethodByName("SubmitFeedback").input_type)(event=b"{}").event == b"{}"


def test_health_is_told_by_service(channel: grpc.Channel) -> None:
    """As /readyz: serving while the log can be written; a service of another name is not known."""
    health = health_pb2_grpc.HealthStub(channel)
    serving_ = health_pb2.HealthCheckResponse.SERVING

    def states() -> list[int]:
        return [health.Check(health_pb2.HealthCheckRequest(service=name)).status for name in ("", SERVICE)]

    wait_for(lambda: states() == [serving_] * 2, 60, "health")
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="another"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_the_guide_works_as_pasted(grpc_port: int, client: Client, make_key: MakeKey, tmp_path: Path) -> None:
    """The commands and the client of docs/how-to/grpc.md: ten messages, two offsets each."""
    pytest.importorskip("grpc_tools")
    guide = (ROOT / "docs" / "how-to" / "grpc.md").read_text()
    command, program = (re.findall(rf"```{language}\n(.*?)```", guide, re.DOTALL)[0] for language in ("sh", "python"))
    shutil.copy(ROOT / "api" / "grpc_door" / "feedback.proto", tmp_path)
    program = f"KEY = {make_key('ingest')!r}\n" + program.replace("50051", str(grpc_port))

    subprocess.run([sys.executable, *command.split()[1:]], cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert [len(json.loads(line)) for line in done.stdout.splitlines()] == [2] * 10, done.stderr


def test_a_client_killed_while_it_streams_loses_nothing_acknowledged(
    channel: grpc.Channel, grpc_port: int, make_key: MakeKey, session: Session, tmp_path: Path
) -> None:
    """SIGKILL to the client: what it was told is in the log at that offset, and the server goes on."""
    key = make_key("ingest")
    with streaming(grpc_port, key, tmp_path / "out") as client:
        client.send_signal(signal.SIGKILL)
        client.wait(20)

    assert lost(session, tmp_path / "out") == 0
    assert Rpc(channel, key).submit(event()).status == pb.STATUS_ACCEPTED


def test_a_shutdown_tells_streams_to_come_again(
    database: Database, make_key: MakeKey, session: Session, tmp_path: Path
) -> None:
    """SIGTERM: the stream is acknowledged up to what was read, then UNAVAILABLE; readers too; the process ends well."""
    key, ended = make_key("ingest", "read"), []

    def follow() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
            for _ in Rpc(channel, key).call("ReadLog", pb.ReadLogRequest(start="latest", follow=True), 60):
                reading.set()
        ended.append(caught.value.code())

    reading = threading.Event()
    with serving(database, tmp_path) as (server, port), streaming(port, key, tmp_path / "out") as client:
        follower = threading.Thread(target=follow)
        follower.start()
        assert reading.wait(10)
        server.terminate()
        assert server.wait(20) == 0
        client.wait(20)
        follower.join(20)

    assert (tmp_path / "out").read_text().split()[-2:] == ["ended", "UNAVAILABLE"]
    assert ended == [grpc.StatusCode.UNAVAILABLE]
    assert lost(session, tmp_path / "out") == 0


@pytest.mark.parametrize("planted", [None, "acknowledges_early"])
def test_a_killed_server_has_lost_nothing_acknowledged(
    database: Database, make_key: MakeKey, session: Session, tmp_path: Path, planted: str | None
) -> None:
    """SIGKILL to the server under load; a door that acknowledges before the commit is found out by the same check."""
    fault = {"PLANTED_BUG": planted, "PYTHONPATH": str(PLANTED)} if planted else {}
    with (
        serving(database, tmp_path, **fault) as (server, port),
        streaming(port, make_key("ingest"), tmp_path / "out"),
    ):
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(20)

    assert (lost(session, tmp_path / "out") > 0) == (planted is not None)


def test_a_port_somebody_chose_must_be_free(database: Database, tmp_path: Path) -> None:
    """In use, it is one line that says what to do; the usual port, which nobody chose, only leaves gRPC out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = {
            "FEEDBACK_DATABASE_URL": database.url,
            "FEEDBACK_DATA_DIR": str(tmp_path),
            "FEEDBACK_PEPPER": PEPPER,
        }
        command = [sys.executable, "-m", "feedback_cli", "api", "--port", "0", "--grpc-port", str(port)]
        done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=60)

    [line] = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert f"gRPC port {port}" in line and "FEEDBACK_GRPC_PORT" in line


def test_the_usual_port_in_use_leaves_grpc_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The API starts all the same and says that it serves no gRPC; switched off it says nothing."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(Settings.model_fields["grpc_port"], "default", port)
        Settings.model_rebuild(force=True)
        with caplog.at_level(logging.WARNING):
            found = port_of(Settings())
        with pytest.raises(SetupError, match="FEEDBACK_GRPC_PORT"):
            port_of(Settings(grpc_port=port))
        assert port_of(Settings(grpc=False, grpc_port=port)) is None
    monkeypatch.undo()
    Settings.model_rebuild(force=True)

    assert found is None
    assert len(caplog.messages) == 1 and "not served" in caplog.messages[0]
    assert port_of(Settings(grpc_port=0)) not in (None, 0)


def test_processes_of_one_system_may_share_the_port() -> None:
    """With FEEDBACK_GRPC_SHARE_PORT the kernel spreads connections over them; without, the second is refused."""
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.bind(("127.0.0.1", 0))
        first.listen()
        port = first.getsockname()[1]

        assert port_of(Settings(grpc_port=port, grpc_share_port=True)) == port
        with pytest.raises(SetupError):
            port_of(Settings(grpc_port=port))


def test_plain_text_to_other_machines_is_refused(database: Database, tmp_path: Path) -> None:
    """gRPC carries keys as HTTP does: without TLS it listens on loopback only."""
    settings = Settings(data_dir=tmp_path, database_url=database.url, api_host="0.0.0.0", grpc_port=0)
    door: Any = None

    async def listen() -> None:
        async with listening(settings, database, door):
            raise AssertionError("it listens")

    with pytest.raises(SetupError, match="--behind-proxy"):
        asyncio.run(listen())
