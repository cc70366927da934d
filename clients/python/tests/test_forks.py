"""Forked children and many threads: each process sends its own events, once."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from feedback_client import FeedbackClient
from programs import environment, run, text
from stub_server import Stub


def _names(stub: Stub) -> list[str]:
    return sorted(event["inference_request_id"] for event in stub.stored.values())


def test_a_forked_child_sends_its_own_and_the_parent_its_own(stub: Stub, tmp_path: Path) -> None:
    """After a fork each process sends each of its events once, over connections and a spool of its own."""
    for spool in (None, str(tmp_path)):
        stub.stored.clear()
        stub.seen.clear()
        run(
            stub,
            """
            client = FeedbackClient(**SETTINGS, spool=sys.argv[1] or None)
            client.rating("before", 3)
            child = os.fork()
            if child == 0:
                client.rating("child", 3)
                assert client.flush(20)
                assert client.stats().taken == 1
                assert client.close()
                os._exit(0)
            client.rating("parent", 3)
            assert client.flush(20)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert client.stats().taken == 2
            """,
            spool or "",
        )

        assert _names(stub) == ["before", "child", "parent"]
        assert len(stub.sent) == 3


def test_forks_under_load_neither_hang_nor_lose(stub: Stub) -> None:
    """Children made while other threads send, locks held or not, send their own and end."""
    run(
        stub,
        """
        client = FeedbackClient(model_version="7", linger=0.01)
        stop = threading.Event()
        def send(who):
            n = 0
            while not stop.is_set():
                client.rating(f"parent-{who}-{n}", 3)
                n += 1
                time.sleep(0.0005)
        senders = [threading.Thread(target=send, args=(who,)) for who in range(3)]
        for sender in senders:
            sender.start()
        children = []
        for number in range(10):
            child = os.fork()
            if child == 0:
                client.rating(f"child-{number}", 3)
                os._exit(0 if client.close(20) else 1)
            children.append(child)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 10
        stop.set()
        for sender in senders:
            sender.join()
        assert client.flush(30)
        """,
    )

    assert [name for name in _names(stub) if name.startswith("child")] == [f"child-{n}" for n in range(10)]
    assert len(stub.sent) == len(stub.stored)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_of_multiprocessing_sends_before_it_ends(stub: Stub, tmp_path: Path, method: str) -> None:
    """Such a process leaves without exit functions; what it queued is sent all the same."""
    program = tmp_path / "program.py"
    body = """
    def work():
        client = FeedbackClient(**SETTINGS)
        client.rating("worker", 3)

    if __name__ == "__main__":
        process = multiprocessing.get_context(sys.argv[1]).Process(target=work)
        process.start()
        process.join()
        sys.exit(process.exitcode)
    """
    program.write_text(text(body))

    subprocess.run([sys.executable, str(program), method], env=environment(stub), check=True, timeout=60)

    assert _names(stub) == ["worker"]


def test_many_threads_share_one_client(stub: Stub) -> None:
    """Eight threads send at once; each event is stored once and counted once."""
    with FeedbackClient(stub.url, "fk_test", model_version="7", linger=0.01) as client:

        def send(who: int) -> None:
            for n in range(250):
                client.rating(f"req-{who}-{n}", 3)

        senders = [threading.Thread(target=send, args=(who,)) for who in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        flushed = client.flush(30)
        stats = client.stats()

    assert flushed
    assert len(stub.stored) == len(stub.sent) == 2_000
    assert (stats.taken, stats.accepted) == (2_000, 2_000)
