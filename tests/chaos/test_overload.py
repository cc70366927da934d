"""More than the door can take, at a capacity that a slow commit fixes (failure test 25)."""

import time

import pytest

from feedback_ingest.postgres import Database
from tests.chaos.conftest import MakeDoor
from tests.chaos.doors import Door, key_for
from tests.chaos.ledger import Clients, Findings, Ledger, Wire, event, sent

pytestmark = pytest.mark.chaos
PER_COMMIT, COMMIT_S = 20, 0.1
CAPACITY = PER_COMMIT / COMMIT_S


def overload(door: Door, database: Database, seconds: float) -> tuple[Ledger, Findings, float, float, int]:
    """Offers several times the capacity: the ledger, findings, receipts a second, the next answer's time, memory."""
    key = key_for(database)
    clients = Clients([door.url], key, threads=24, batch=20, pause_s=0.0, mixed=False, retry_s=0.1).start()
    began, rss = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        rss = max(rss, door.worker().memory_info().rss)
        time.sleep(0.1)
    rate = len(clients.ledger.acknowledged) / seconds
    ledger = clients.end()
    began = time.monotonic()
    assert Wire([door.url], key).post("/v1/feedback", sent(event("after", metadata={"number": "after"})))[0] == 201
    ledger.said["after"] = {}
    normal_s = time.monotonic() - began
    findings = ledger.check(database)
    findings.changed -= 1
    return ledger, findings, rate, normal_s, rss


@pytest.mark.parametrize(("plant", "is_bounded"), [("slow_commit", True), ("slow_commit,endless_queue", False)])
def test_overload_is_refused_and_not_piled_up(
    database: Database, make_door: MakeDoor, plant: str, is_bounded: bool
) -> None:
    """Many times the capacity for 15 s: receipts or 503 with Retry-After, those accepted at once, lost 0.

    At least 80 % of the capacity is used. With a queue without end, the bug planted, everybody waits.
    """
    door = make_door(plant, queue_events=60)

    ledger, findings, rate, normal_s, rss = overload(door, database, 15)

    taken = sorted(seconds for _, seconds, status in ledger.seconds if status == 201)
    p99 = taken[int(len(taken) * 0.99) - 1]
    assert not findings.found
    assert set(ledger.statuses) <= {201, 503}
    assert rate >= 0.8 * CAPACITY
    assert rss < 300 * 2**20
    assert normal_s < 1
    assert (p99 < 1.0) == is_bounded, p99
    assert (ledger.statuses[503] > 0) == is_bounded
