"""The ends of a process, exit, SIGTERM and kill -9: each in a process of its own, against the stub."""

import signal
import threading
from pathlib import Path

import pytest
from feedback_client import FeedbackClient
from programs import run, start, wait_for
from stub_server import Exchange, Stub, answers_after


def _names(stub: Stub) -> list[str]:
    return sorted(event["inference_request_id"] for event in stub.stored.values())


def test_a_program_that_ends_has_sent_everything(stub: Stub) -> None:
    """Without `close`, without `with`, and though nobody refers to the client any more."""
    run(
        stub,
        """
        def main():
            client = FeedbackClient(**SETTINGS)
            for n in range(20):
                client.rating(f"req-{n}", 3)
        main()
        """,
    )

    assert len(stub.stored) == 20


def test_a_program_that_fails_has_sent_everything(stub: Stub) -> None:
    """An uncaught exception is an exit like another."""
    process = start(stub, "client = FeedbackClient(**SETTINGS); client.rating('req-1', 3); raise SystemExit(3)")
    process.communicate(timeout=60)

    assert process.returncode == 3
    assert _names(stub) == ["req-1"]


def test_an_asyncio_program_that_forgets_to_close_has_sent_everything(stub: Stub) -> None:
    """The loop is gone at exit; what waits is sent without one."""
    run(
        stub,
        """
        async def main():
            client = AsyncFeedbackClient(**SETTINGS)
            for n in range(20):
                await client.rating(f"req-{n}", 3)
        asyncio.run(main())
        """,
    )

    assert len(stub.stored) == 20


def test_a_client_outlives_its_loop(stub: Stub) -> None:
    """Events that one `asyncio.run` left behind are sent in the next."""
    run(
        stub,
        """
        client = AsyncFeedbackClient(**SETTINGS)
        async def first():
            await client.rating("req-1", 3)
        async def second():
            await client.rating("req-2", 3)
            assert await client.flush(20)
            assert client.stats().accepted == 2
        asyncio.run(first())
        asyncio.run(second())
        """,
    )

    assert _names(stub) == ["req-1", "req-2"]


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_sigterm_is_an_exit_where_that_was_asked_for(stub: Stub, kind: str) -> None:
    """With `exit_on_sigterm` what waits is sent, and the exit status is SIGTERM's."""
    program = {
        "threads": """
            client = FeedbackClient(**SETTINGS, exit_on_sigterm=True)
            client.rating("req-1", 3)
            print("ready", flush=True)
            signal.pause()
            """,
        "asyncio": """
            async def main():
                async with AsyncFeedbackClient(**SETTINGS, exit_on_sigterm=True) as client:
                    await client.rating("req-1", 3)
                    print("ready", flush=True)
                    await asyncio.sleep(60)
            asyncio.run(main())
            """,
    }[kind]
    process = start(stub, program)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM
    assert _names(stub) == ["req-1"]


def test_a_signal_handler_of_the_applications_stays(stub: Stub) -> None:
    """`exit_on_sigterm` replaces nobody's graceful stop."""
    said = run(
        stub,
        """
        def mine(*_):
            print("mine", flush=True)
        signal.signal(signal.SIGTERM, mine)
        with FeedbackClient(**SETTINGS, exit_on_sigterm=True) as client:
            assert signal.getsignal(signal.SIGTERM) is mine
        print("kept")
        """,
    )

    assert "kept" in said


def test_what_kill_9_leaves_in_the_spool_arrives_once(stub: Stub, tmp_path: Path) -> None:
    """Killed in the middle, started again on the same folder: every event that `send` returned for is stored once."""
    gate = threading.Event()
    stub.script.extend([Exchange.store_and_answer, answers_after(gate, Exchange.store_and_answer)])
    process = start(
        stub,
        """
        client = FeedbackClient(model_version="7", linger=0.0, batch_events=50, spool=sys.argv[1])
        n = 0
        while True:
            client.rating(f"req-{n}", 3)
            os.write(1, b"%d\\n" % n)
            n += 1
            if n > 200:
                time.sleep(0.001)
        """,
        str(tmp_path),
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(300)]
    wait_for(lambda: len(stub.seen) >= 2)
    process.kill()
    told += process.stdout.read().splitlines(keepends=True)
    process.communicate()
    gate.set()

    with FeedbackClient(stub.url, "fk_test", spool=tmp_path) as client:
        flushed = client.flush(30)
        replayed = client.stats().replayed

    assert flushed and replayed > 0
    names = _names(stub)
    assert len(names) == len(set(names))
    returned = {f"req-{int(line)}" for line in told if line.endswith(b"\n")}
    assert returned <= set(names)
    assert len(set(names) - returned) <= 1
    assert list(tmp_path.iterdir()) == []


def test_a_client_is_not_closed_from_its_own_callback(stub: Stub) -> None:
    """That would wait for itself: it is said in the log instead of hanging."""
    errors: list[BaseException] = []
    stub.refuse = lambda event: "validation-failed"
    client = FeedbackClient(stub.url, "fk_test", model_version="7", linger=0.0, on_refused=lambda e, p: close())

    def close() -> None:
        try:
            client.close()
        except RuntimeError as error:
            errors.append(error)

    client.rating("req-1", 3)
    wait_for(lambda: bool(errors))

    assert "callback" in str(errors[0])
    client.rating("req-2", 3)
    assert client.close()
    assert client.stats().refused == 2
