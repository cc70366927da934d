"""Acknowledged is stored, exactly once, whatever dies at whatever step (failure tests 1 to 4, and 9)."""

import time
from typing import Any

import httpx
import psutil
import pytest

from feedback_ingest.postgres import Database
from tests.chaos.cluster import STEPS, Cluster, add_steps, end_backend, forget_duplicates
from tests.chaos.conftest import MakeDoor
from tests.chaos.doors import Door, key_for
from tests.chaos.ledger import Clients, Findings, Wire, event, sent
from tests.support.planted.failpoints import POINTS
from tests.support.waiting import wait_for

LONG = pytest.mark.chaos


def kills(doors: list[Door], database: Database, rounds: int, point: str | None = None) -> Findings:
    """SIGKILL to the worker of one of `doors` after the other under load: at any moment, or at `point`."""
    clients = Clients([door.url for door in doors], key_for(database)).start()
    for number in range(rounds):
        clients.more(30)
        door = doors[number % len(doors)]
        if point is None:
            door.kill_worker()
        else:
            door.arm(point)
            door.wait_fired(point)
        door.revive()
    clients.more(30)
    return clients.end().check(database)


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=LONG)])
def test_kills_of_the_receiver_lose_nothing(database: Database, make_door: MakeDoor, rounds: int) -> None:
    """Two receivers on one log, one of them killed again and again: lost 0, doubled 0, offsets without a gap."""
    findings = kills([make_door(), make_door()], database, rounds)

    assert not findings.found


def test_a_kill_finds_an_early_answer(database: Database, make_door: MakeDoor) -> None:
    """The planted bug: what was acknowledged before its commit is lost."""
    findings = kills([make_door("failpoints,ack_early")], database, 1, "before_begin")

    assert findings.lost > 0


def sweep(door: Door, cluster: Cluster, database: Database, points: tuple[str, ...], number: int = 1) -> Findings:
    """Kills the worker at each of `points`, at the `number`th time it is passed, under load."""
    clients = Clients([door.url], key_for(database)).start()
    clients.more(20)
    for point in points:
        if point in STEPS:
            with cluster.holding(database, point):
                worker = door.worker()
                worker.kill()
                wait_for(lambda worker=worker: _is_gone(worker), 10, "the worker to be gone")
        else:
            door.arm(point, "kill", number)
            door.wait_fired(point)
        door.revive()
        clients.more(20)
    return clients.end().check(database)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("number", [1, *(pytest.param(n, marks=LONG) for n in (2, 3, 5, 7, 10))])
def test_a_kill_at_every_step_loses_nothing(
    cluster: Cluster, database: Database, make_door: MakeDoor, number: int
) -> None:
    """From the body read to the answer written: SIGKILL at each step, and every event is in the log once."""
    add_steps(database)

    findings = sweep(make_door(), cluster, database, POINTS[:5] + STEPS + POINTS[5:], number)

    assert not findings.found


def test_the_sweep_finds_a_log_that_forgets(cluster: Cluster, database: Database, make_door: MakeDoor) -> None:
    """The planted bug: without its keys the log has an event twice whose answer was lost after the commit."""
    forget_duplicates(database)

    findings = sweep(make_door(), cluster, database, ("after_commit",))

    assert findings.doubled > 0


def test_a_bug_at_any_step_ends_no_writer(database: Database, make_door: MakeDoor) -> None:
    """What nobody foresaw, raised at each step, is a 503 or a 500; the next event is stored."""
    door, statuses = make_door(), {}
    wire = Wire([door.url], key_for(database), timeout_s=5)

    for point in POINTS[:-1]:
        door.arm(point, "raise")
        statuses[point] = wire.post("/v1/feedback", sent(event(point)))[0]
        again = Wire([door.url], key_for(database), timeout_s=5)
        after = sent(event(f"after {point}"))
        # Until the writer has looked at its connection again, others are told 503.
        wait_for(lambda: again.post("/v1/feedback", after)[0] == 201, 5, f"an event after {point}")  # noqa: B023

    assert {point for point, status in statuses.items() if status == 503} == {"before_begin", "after_commit"}
    assert {point for point, status in statuses.items() if status == 201} == {"enqueued"}


def crashes(door: Door, cluster: Cluster, database: Database, rounds: int) -> tuple[Findings, float, bool]:
    """Crashes PostgreSQL under load: the findings, the longest wait for a receipt, and whether the worker stayed."""
    worker, longest = door.worker().pid, 0.0
    clients = Clients([door.url], key_for(database), threads=8, pause_s=0.0).start()
    for _ in range(rounds):
        clients.more(100)
        cluster.crash()
        cluster.start()
        began = time.monotonic()
        clients.more(1)
        longest = max(longest, time.monotonic() - began)
    return clients.end().check(database), longest, door.worker().pid == worker


@pytest.mark.parametrize("rounds", [2, pytest.param(6, marks=LONG)])
def test_crashes_of_postgres_lose_nothing(
    cluster: Cluster, database: Database, make_door: MakeDoor, rounds: int
) -> None:
    """The receiver stays, clients hear 503, and the first receipt comes soon after the server's return."""
    findings, longest_s, stayed = crashes(make_door(), cluster, database, rounds)

    assert not findings.found
    assert stayed
    assert longest_s < 4


def test_a_crash_finds_a_commit_that_was_not_written(cluster: Cluster, database: Database, make_door: MakeDoor) -> None:
    """The planted bug: with synchronous_commit off, what was acknowledged a moment ago is gone."""
    findings, _, _ = crashes(make_door("unsynced"), cluster, database, 1)

    assert findings.lost > 0


def unknown_outcomes(door: Door, cluster: Cluster, database: Database, rounds: int) -> tuple[Findings, set[int]]:
    """Ends the committing backend before and after its commit, in turn: the findings and every status told."""
    clients = Clients([door.url], key_for(database)).start()
    for number in range(rounds):
        clients.more(20)
        held = cluster.holding(database, "before_commit") if number % 2 == 0 else cluster.committed(database)
        with held as pid:
            end_backend(pid, cluster)
    clients.more(20)
    ledger = clients.end()
    return ledger.check(database), set(ledger.statuses)


@pytest.mark.parametrize("rounds", [6, pytest.param(100, marks=LONG)])
def test_unknown_outcomes_are_told_as_such(
    cluster: Cluster, database: Database, make_door: MakeDoor, rounds: int
) -> None:
    """The connection dies inside COMMIT: rolled back or stored, the client hears 503 and its second try is safe."""
    add_steps(database)

    findings, statuses = unknown_outcomes(make_door(), cluster, database, rounds)

    assert not findings.found
    assert 503 in statuses
    assert statuses <= {201, 207, 503}


def test_a_lost_connection_finds_a_hopeful_answer(cluster: Cluster, database: Database, make_door: MakeDoor) -> None:
    """The planted bug: a receiver that takes a lost connection for a commit loses what was rolled back."""
    add_steps(database)

    findings, _ = unknown_outcomes(make_door("hopeful"), cluster, database, 1)

    assert findings.lost > 0


def leave(door: Door, cluster: Cluster, database: Database) -> tuple[int, list[int], float]:
    """SIGTERM while a commit stands still: the exit code, what the waiting requests heard, and how long it took."""
    from concurrent.futures import ThreadPoolExecutor

    key = key_for(database)

    def post(number: int) -> int:
        return Wire([door.url], key).post("/v1/feedback", sent(event(f"leaving-{number}")))[0]

    assert door.process is not None
    with ThreadPoolExecutor(8) as pool:
        with cluster.holding_first(database, "before_commit", lambda: [pool.submit(post, n) for n in range(8)]) as (
            told,
            _,
        ):
            wait_for(lambda: waiting(door) == 8, 10, "eight events to wait")
            began = time.monotonic()
            door.process.terminate()
            wait_for(lambda: not takes_more(door), 10, "the receiver to begin to leave")
        statuses = [one.result(20) for one in told]
    return door.process.wait(30), statuses, time.monotonic() - began


def takes_more(door: Door) -> bool:
    """Whether it is ready for new requests."""
    try:
        return httpx.get(f"{door.url}/readyz", timeout=1, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def waiting(door: Door) -> int:
    """Events whose commit is not yet known, as the receiver tells Prometheus."""
    told = httpx.get(f"{door.url}/metrics", trust_env=False).text
    return int(float(next(line for line in told.splitlines() if line.startswith("feedback_waiting_events")).split()[1]))


@LONG
@pytest.mark.parametrize(("plant", "answered"), [("failpoints", [201] * 8), ("deaf", [0] * 8)])
def test_a_receiver_that_leaves_answers_first(
    cluster: Cluster, database: Database, make_door: MakeDoor, plant: str, answered: list[int]
) -> None:
    """After SIGTERM every event that waits for its commit is stored and answered; with the bug planted none is."""
    add_steps(database)

    code, statuses, seconds = leave(make_door(plant), cluster, database)

    assert statuses == answered
    assert seconds < 15
    if plant != "deaf":
        assert code == 0


@LONG
def test_rolling_restarts_lose_nothing(database: Database, make_door: MakeDoor) -> None:
    """Two receivers, each ended with SIGTERM and started again ten times under load: nothing but 201, 207 and 503."""
    doors = [make_door(), make_door()]
    clients = Clients([door.url for door in doors], key_for(database)).start()
    codes: list[Any] = []

    for number in range(20):
        clients.more(20)
        codes.append(doors[number % 2].stop())
        doors[number % 2].start()
    ledger = clients.end()

    assert not ledger.check(database).found
    assert set(codes) == {0}
    assert set(ledger.statuses) <= {0, 201, 207, 503}
