"""The supervisor restarts what dies, gives up on what cannot start, and leaves nothing running."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from feedback_cli.supervision.child import ChildSpec
from feedback_cli.supervision.supervisor import ChildKeepsDying, Supervisor
from tests.support.waiting import wait_for

SLEEPS = [sys.executable, "-S", "-c", "import time\nwhile True: time.sleep(1)"]
DIES = [sys.executable, "-S", "-c", "print('no such table'); raise SystemExit(3)"]
WITH_CHILD = [sys.executable, "-S", "-c", f"import subprocess; subprocess.run({SLEEPS!r})"]


def is_alive(pid: int) -> bool:
    """Does a process with this id run (and not only wait to be buried)?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def children_of(pid: int) -> list[int]:
    """Ids of its direct children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def said() -> list[str]:
    """What the supervisor said."""
    return []


@pytest.fixture
def supervise(tmp_path: Path, said: list[str]) -> Iterator[Callable[..., Supervisor]]:
    """Makes supervisors of the given commands; stops them afterwards."""
    made: list[Supervisor] = []

    def make(**commands: list[str]) -> Supervisor:
        specs = [ChildSpec(name, command, dict(os.environ)) for name, command in commands.items()]
        made.append(Supervisor(specs, tmp_path, said.append))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def test_a_killed_process_is_started_again_and_said_in_one_line(
    supervise: Callable[..., Supervisor], said: list[str]
) -> None:
    """After SIGKILL another process has its place; the line names it, the signal and the log."""
    supervisor = supervise(stream=SLEEPS)
    supervisor.start(20, threading.Event())
    killed = supervisor.pids()["stream"]

    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: supervisor.pids().get("stream") not in (None, killed))

    assert supervisor.restarts() == {"stream": 1}
    [line] = said
    assert "stream was killed by SIGKILL" in line
    assert "stream.log" in line


def test_a_process_that_cannot_start_is_given_up_with_its_last_words(supervise: Callable[..., Supervisor]) -> None:
    """It dies again and again: the error names the process, its exit code, its log and the log's last line."""
    supervisor = supervise(api=DIES, stream=SLEEPS)

    with pytest.raises(ChildKeepsDying) as caught:
        supervisor.start(30, threading.Event())

    assert "api ended with exit code 3" in caught.value.detail
    assert "api.log" in caught.value.detail
    assert "no such table" in caught.value.detail
    assert "\n" not in caught.value.detail


def test_stop_leaves_nothing_running(supervise: Callable[..., Supervisor]) -> None:
    """Processes that a process started are stopped with it."""
    supervisor = supervise(api=WITH_CHILD)
    supervisor.start(20, threading.Event())
    parent = supervisor.pids()["api"]
    wait_for(lambda: bool(children_of(parent)))
    grandchildren = children_of(parent)

    supervisor.stop()

    wait_for(lambda: not any(is_alive(pid) for pid in [parent, *grandchildren]))


def test_what_a_killed_process_started_does_not_stay_in_the_way(supervise: Callable[..., Supervisor]) -> None:
    """A worker that outlives its killed parent would hold the port: it is killed before the parent is replaced."""
    supervisor = supervise(api=WITH_CHILD)
    supervisor.start(20, threading.Event())
    parent = supervisor.pids()["api"]
    wait_for(lambda: bool(children_of(parent)))
    workers = children_of(parent)

    os.kill(parent, signal.SIGKILL)
    wait_for(lambda: supervisor.pids().get("api") not in (None, parent))

    assert not any(is_alive(pid) for pid in workers)


def test_a_process_waits_for_the_one_it_needs(tmp_path: Path) -> None:
    """`after` holds a process back until the other said it is ready."""
    is_ready = threading.Event()
    environment = dict(os.environ)
    specs = [
        ChildSpec("webserver", SLEEPS, environment, after=("code-server",)),
        ChildSpec("code-server", SLEEPS, environment, is_ready.is_set),
    ]
    supervisor = Supervisor(specs, tmp_path, lambda line: None)
    starting = threading.Thread(target=supervisor.start, args=(20, threading.Event()))
    starting.start()
    try:
        wait_for(lambda: "code-server" in supervisor.pids())
        before = supervisor.pids()
        is_ready.set()
        starting.join(20)
        after = supervisor.pids()
    finally:
        supervisor.stop()

    assert set(before) == {"code-server"}
    assert set(after) == {"code-server", "webserver"}
