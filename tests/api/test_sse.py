"""Event streams: what a client sees of them, and when they end; read from a route of the test's own."""

import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import Response
from sqlmodel import Session

from api import sse
from api.access import ReadKey
from api.app import create_whole_app
from api.listening import call_at_signals
from api.receiver import keyring, thin
from api.wakeups import Wakeups
from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import StorageUnavailable
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from tests.api.conftest import PEPPER, Client
from tests.api.streams import OpenStream
from tests.support.waiting import wait_for

MakeKey = Callable[..., str]
EVENT = {
    "inference_request_id": "r",
    "model_version": "m",
    "feedback_type": "explicit_binary",
    "feedback_value": {"positive": True},
}


@pytest.fixture(scope="module")
def streaming(database: Database, tmp_path_factory: Any) -> Iterator[Client]:
    """The whole app with room for two streams, and a route that tells each newest offset."""
    folder = tmp_path_factory.mktemp("streaming")
    settings = Settings(data_dir=folder, database_url=database.url, pepper=PEPPER, grpc=False, max_streams=2)
    app = create_whole_app(settings)

    @app.get("/v1/heads")
    async def heads(request: Request, sender: ReadKey, fails: bool = False) -> Response:
        return sse.stream(request, told(request.app.state.wakeups, sse.last_event_id(request) or 0, fails))

    client = Client(thin(app))
    client.open()
    yield client
    client.close()


async def told(wakeups: Wakeups, after: int, fails: bool) -> AsyncIterator[bytes]:
    """Every newest offset above `after`."""
    while True:
        head = await wakeups.beyond(after, 60)
        if fails:
            raise StorageUnavailable()
        if head > after:
            yield sse.event(json.dumps(head), head, "head")
            after = head


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A key that sends and reads."""
    return make_key("ingest", "read")


def post(client: Client, key: str) -> int:
    """Stores one event; its offset."""
    return int(client.post("/v1/feedback", key, EVENT).json()["offset"])


def test_events_come_as_they_are_committed(streaming: Client, key: str) -> None:
    """With ids, at once, from the one listener of the process, to everyone who waits."""
    first = post(streaming, key)
    with OpenStream(streaming, "/v1/heads", key) as one, OpenStream(streaming, "/v1/heads", key) as other:
        seen = [stream.next() for stream in (one, other)]
        second = post(streaming, key)
        later = [stream.next(lambda event: event.get("id") == str(second)) for stream in (one, other)]

    assert seen == [{"event": "head", "data": str(first), "id": str(first)}] * 2
    assert later == [{"event": "head", "data": str(second), "id": str(second)}] * 2
    assert one.headers["content-type"].startswith("text/event-stream")
    assert one.headers["cache-control"] == "no-store"


def test_a_client_that_comes_again_goes_on_where_it_was(streaming: Client, key: str) -> None:
    """Last-Event-ID is where the route starts; one that was never given out is refused."""
    known = post(streaming, key)
    with OpenStream(streaming, "/v1/heads", key, last_event_id=str(known)) as stream:
        told = stream.next(lambda event: "retry" in event)
        new = post(streaming, key)
        event = stream.next()
    with OpenStream(streaming, "/v1/heads", key, last_event_id="x1") as refused:
        pass

    assert told == {"retry": "1000"}
    assert event is not None and event["id"] == str(new)
    assert refused.status == 422 and b"/Last-Event-ID" in refused.body


def test_the_number_of_streams_is_bounded(streaming: Client, key: str) -> None:
    """One more is told 503 and when to come again; a client that leaves makes room."""
    with OpenStream(streaming, "/v1/heads", key):
        with OpenStream(streaming, "/v1/heads", key), OpenStream(streaming, "/v1/heads", key) as refused:
            assert refused.status == 503
            assert json.loads(refused.body)["code"] == "overloaded"
            assert refused.headers["retry-after"] == "1"
        with OpenStream(streaming, "/v1/heads", key) as admitted:
            assert admitted.status == 200
    assert "feedback_open_streams 0.0" in streaming.get("/metrics").text


def test_a_silent_stream_is_kept_alive(streaming: Client, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By comments, which a client does not see as events, and which tell the server who is gone."""
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    newest = post(streaming, key)
    with OpenStream(streaming, "/v1/heads", key, last_event_id=str(newest)) as stream:
        assert stream.next(lambda event: "" in event) == {"": "ping"}
        event = post(streaming, key)
        assert (stream.next() or {})["id"] == str(event)


def test_a_stream_does_not_outlive_its_key(
    streaming: Client, make_key: MakeKey, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the key is revoked and forgotten the stream ends."""
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(keyring, "FRESH_S", 0.05)
    own = make_key("read")
    with OpenStream(streaming, "/v1/heads", own) as stream:
        with Session(database.engine) as session:
            keys.revoke(session, keys.key_id_of(own), utc_now())
            session.commit()
        wait_for(lambda: stream.next(lambda _: True) is None, what="the stream's end")


def test_a_stream_that_fails_ends(streaming: Client, key: str) -> None:
    """The client comes again by itself, with the last id it saw."""
    with OpenStream(streaming, "/v1/heads?fails=true", key) as stream:
        post(streaming, key)
        assert stream.next() is None


def test_the_end_of_the_server_ends_streams(database: Database, key: str, tmp_path: Any) -> None:
    """A stream that waits ends when the server is told to, and no new one begins."""
    settings = Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER, grpc=False)
    app = create_whole_app(settings)

    @app.get("/v1/silence")
    async def silence(request: Request, sender: ReadKey) -> Response:
        return sse.stream(request, told(request.app.state.wakeups, 2**60, False))

    client = Client(thin(app))
    client.open()
    with OpenStream(client, "/v1/silence", key) as stream:
        client._loop.call_soon_threadsafe(app.state.wakeups.close)
        ended = stream.next()
    refused = client.get("/v1/silence", key)
    client.close()

    assert stream.status == 200 and ended is None
    assert refused.status_code == 503


def test_signals_reach_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are told of the end first, then whoever handled the signal before."""
    calls: list[str] = []
    earlier = signal.signal(signal.SIGTERM, lambda *_: calls.append("server"))
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        call_at_signals(lambda: calls.append("streams"))
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, earlier)
        signal.signal(signal.SIGINT, interrupt)

    assert calls == ["streams", "server"]
