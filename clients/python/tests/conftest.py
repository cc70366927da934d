"""A server that does what a test tells it to, and both clients behind one face."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "src"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from feedback_client import FeedbackClient  # noqa: E402
from stub_server import Stub  # noqa: E402
from two_clients import AwaitedFromThreads  # noqa: E402


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sends to the server of the machine it runs on."""
    monkeypatch.delenv("FEEDBACK_URL", raising=False)
    monkeypatch.delenv("FEEDBACK_KEY", raising=False)


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A server on a free port."""
    server = Stub()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["threads", "asyncio"])
def connect(request: pytest.FixtureRequest, stub: Stub) -> Iterator[Callable[..., Any]]:
    """Makes clients of `stub`, of either kind with the same blocking face; closes them."""
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        kind = FeedbackClient if request.param == "threads" else AwaitedFromThreads
        made.append(kind(stub.url, "fk_test", **({"model_version": "7", "linger": 0.01} | settings)))
        return made[-1]

    yield make
    for client in made:
        client.close(0)
