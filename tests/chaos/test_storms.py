"""Many at once with the same, the wrong and the unstorable (failure tests 10 to 12, 32, 33), and ten thousand mixed."""

import json
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import httpx
import pytest
from sqlalchemy import text

from feedback_ingest.postgres import Database
from tests.chaos.cluster import forget_duplicates
from tests.chaos.conftest import MakeDoor
from tests.chaos.doors import Door, key_for
from tests.chaos.ledger import Wire, event, sent

LONG = pytest.mark.chaos
T = TypeVar("T")


def together(count: int, work: Callable[[int], T]) -> list[T]:
    """`work` of 0 to `count` - 1 in threads that begin at the same moment."""
    gate = Barrier(count)

    def begin(number: int) -> T:
        gate.wait(20)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def rows(
    database: Database, statement: str = "SELECT count(*) FROM staging.feedback_events WHERE kind='feedback'"
) -> int:
    """A count that the database tells."""
    with database.engine.connect() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def duplicate_storm(doors: list[Door], database: Database, clients: int, events: int) -> tuple[int, set[Any], int]:
    """The same events from all clients at once: rows stored, statuses told, and events that were told two offsets."""
    key = key_for(database)
    batches = [[event(f"{n}-{m}") for m in range(20)] for n in range(events // 20)]

    def send(number: int) -> list[tuple[str, int, str]]:
        wire, told = Wire([doors[number % len(doors)].url], key), []
        for batch in random.Random(number).sample(batches, len(batches)):
            mixed = random.Random(number).sample(batch, len(batch))
            _, answer = wire.post("/v1/feedback/batch", json.dumps({"events": mixed}).encode())
            results = answer.get("results", [{"feedback_id": "", "offset": 0, "status": "no answer"}])
            told += [(result["feedback_id"], result["offset"], result["status"]) for result in results]
        return told

    told = [one for answers in together(clients, send) for one in answers]
    offsets = {(name, offset) for name, offset, _ in told}
    return rows(database), {status for _, _, status in told}, len(offsets) - events


@pytest.mark.parametrize(("clients", "events"), [(20, 200), pytest.param(50, 1_000, marks=LONG)])
def test_a_storm_of_duplicates_is_stored_once(
    database: Database, make_door: MakeDoor, clients: int, events: int
) -> None:
    """All clients send the same events at once to two receivers: one row and one offset each, only receipts."""
    stored, statuses, twofold = duplicate_storm([make_door(), make_door()], database, clients, events)

    assert (stored, statuses, twofold) == (events, {"accepted", "duplicate"}, 0)


def test_the_storm_finds_a_log_that_forgets(database: Database, make_door: MakeDoor) -> None:
    """The planted bug: a log without its keys stores an event as often as it is sent."""
    forget_duplicates(database)

    stored, _, twofold = duplicate_storm([make_door()], database, 4, 20)

    assert stored > 20
    assert twofold > 0


def conflict_storm(door: Door, database: Database, clients: int) -> tuple[Counter[int], int, int]:
    """One id with as many contents at once: statuses, rows, and the status of the winner's second try."""
    key, name = key_for(database), str(uuid.uuid4())
    given = [sent(event(f"conflict-{n}", feedback_id=name)) for n in range(clients)]

    told = together(clients, lambda number: Wire([door.url], key).post("/v1/feedback", given[number])[0])

    again = Wire([door.url], key).post("/v1/feedback", given[told.index(201)])[0]
    return Counter(told), rows(database), again


@pytest.mark.parametrize(("plant", "told"), [("failpoints", {201: 1, 409: 19}), ("blind", {201: 1, 200: 19})])
def test_a_storm_of_conflicts_has_one_winner(
    database: Database, make_door: MakeDoor, plant: str, told: dict[int, int]
) -> None:
    """Twenty contents under one id: one is stored, nineteen are 409; with the bug that sees no content none is."""
    statuses, stored, again = conflict_storm(make_door(plant), database, 20)

    assert statuses == told
    assert (stored, again) == (1, 200)


@pytest.mark.parametrize(("plant", "stored"), [("permissive", 400), ("permissive,undivided", 1)])
def test_poison_sinks_no_neighbour(database: Database, make_door: MakeDoor, plant: str, stored: int) -> None:
    """Postgres refuses one of 400 in a batch: 399 are stored, it is held, and another client's event is stored too.

    With the bug planted that does not divide the group, its neighbours are lost.
    """
    door, key = make_door(plant), key_for(database)
    batch = [event(f"good-{n}") for n in range(400)]
    batch[123] = event("make it poison")

    _, answer = Wire([door.url], key).post("/v1/feedback/batch", json.dumps({"events": batch}).encode())
    began = time.monotonic()
    after, _ = Wire([door.url], key).post("/v1/feedback", sent(event("after")))

    assert after == 201
    assert time.monotonic() - began < 1
    assert answer["results"][123]["code"] == "unstorable"
    assert rows(database) == stored
    held = "SELECT count(*) FROM staging.quarantined_items WHERE code = 'unstorable'"
    assert rows(database, held) == 401 - stored


def mixed_items(count: int) -> list[tuple[str, dict[str, Any]]]:
    """Items of every outcome with the outcome each must have, in an order that a seed fixes."""
    chance, known, items = random.Random(3), [], []
    for number in range(count):
        die = chance.random() if known else 1.0
        if die < 0.1:
            items.append(("duplicate", chance.choice(known)))
        elif die < 0.2:
            items.append(("conflict", chance.choice(known) | {"model_version": "other"}))
        elif die < 0.3:
            items.append(("refused", event(f"bad-{number}", **chance.choice(WRONG))))
        else:
            known.append(event(f"{number}"))
            items.append(("accepted", known[-1]))
    return items


WRONG: list[dict[str, Any]] = [
    {"feedback_type": "love"},
    {"feedback_value": {"positive": "yes"}},
    {"model_version": ""},
    {"unknown": 1},
    {"occurred_at": "yesterday"},
]


@LONG
@pytest.mark.parametrize(("plant", "is_complete"), [("failpoints", True), ("forgetful", False)])
def test_mixed_items_of_a_known_and_an_unknown_key_are_accounted_for(
    database: Database, make_door: MakeDoor, plant: str, is_complete: bool
) -> None:
    """Accepted + duplicate + conflict + refused = sent, told as counted; held are exactly the refusals of known keys.

    With the bug planted that loses what is to be held, the quarantine is not complete.
    """
    door, items = make_door(plant), mixed_items(2_000)
    wire, stranger = Wire([door.url], key_for(database)), Wire([door.url], "fk_live_0000000000000000_" + "a" * 43)
    told: Counter[str] = Counter()

    for start in range(0, len(items), 200):
        part = items[start : start + 200]
        body = json.dumps({"events": [item for _, item in part]}).encode()
        results = wire.post("/v1/feedback/batch", body)[1]["results"]
        assert [result["status"] for result in results] == [wanted for wanted, _ in part]
        told.update(result["status"] for result in results)
        assert stranger.post("/v1/feedback/batch", body)[0] == 401
    assert wire.post("/v1/feedback/batch", b'{"events": [')[0] == 400

    assert sum(told.values()) == len(items)
    assert rows(database) == told["accepted"]
    held = rows(database, "SELECT count(*) FROM staging.quarantined_items")
    assert (held == told["refused"]) == is_complete
    assert counted(door) == told["accepted"] + told["duplicate"] + told["conflict"] + told["refused"]


def counted(door: Door) -> int:
    """Events that the receiver says it judged."""
    lines = httpx.get(f"{door.url}/metrics", trust_env=False).text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("feedback_events_total{"))


@LONG
@pytest.mark.parametrize(("plant", "is_fair"), [("failpoints", True), ("shared", False)])
def test_a_noisy_key_disturbs_no_other(database: Database, make_door: MakeDoor, plant: str, is_fair: bool) -> None:
    """A is at ten times its limit and obeys what it is told: 95 % of its requests are taken; B never hears of it."""
    door = make_door(plant)
    noisy = Wire([door.url], key_for(database, events_per_minute=600))
    quiet = Wire([door.url], key_for(database, events_per_minute=6_000))
    batch = json.dumps({"events": [event(f"noise-{n}") for n in range(100)]}).encode()
    told: list[int] = []
    others: set[int] = set()
    ends, waits_until = time.monotonic() + 25, 0.0

    while time.monotonic() < ends:
        others.add(quiet.post("/v1/feedback", sent(event("quiet")))[0])
        if time.monotonic() >= waits_until:
            told.append(noisy.post("/v1/feedback/batch", batch)[0])
            noisy.close()  # the server closes what was silent for ten seconds
            remaining, wait_s = map(int, re.findall(r'"events";r=(\d+);t=(\d+)', noisy.headers["ratelimit"])[0])
            waits_until = time.monotonic() + (wait_s if remaining < 1 else 0)
        time.sleep(0.02)

    assert len(told) > 6
    assert (others == {201}) == is_fair
    if is_fair:
        assert sum(status < 300 for status in told) / len(told) >= 0.95


@LONG
@pytest.mark.parametrize(("plant", "is_bounded"), [("failpoints", True), ("bottomless", False)])
def test_a_noisy_key_cannot_fill_the_quarantine(
    database: Database, make_door: MakeDoor, plant: str, is_bounded: bool
) -> None:
    """Ten thousand invalid events: the project's room is used, the others are counted; with the bug all are kept."""
    door = make_door(plant, quarantine_rows=100, quarantine_bytes=1_000_000)
    wire = Wire([door.url], key_for(database))

    for start in range(0, 10_000, 500):
        bad = [event(f"{start + n}", feedback_type="love") for n in range(500)]
        assert wire.post("/v1/feedback/batch", json.dumps({"events": bad}).encode())[0] == 207

    kept = rows(database, "SELECT count(*) FROM staging.quarantined_items")
    overflow = httpx.get(f"{door.url}/metrics", trust_env=False).text
    assert (kept == 100) == is_bounded
    if is_bounded:
        assert "feedback_quarantine_overflow 9900.0" in overflow
