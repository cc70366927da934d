"""A wall clock that jumps (failure test 13)."""

import json

import pytest

from feedback_ingest.postgres import Database
from tests.chaos.conftest import MakeDoor
from tests.chaos.doors import Door, key_for
from tests.chaos.ledger import Clients, Wire, event

JUMPS_S = (-3_600, 3_600, 0, 10, 20, 30, 40, -86_400, 0)


def jump(door: Door, database: Database) -> tuple[dict[str, object], set[int], int]:
    """Turns the clock under load: findings, statuses, and how often a key beyond its limit was let in."""
    limited = Wire([door.url], key_for(database, events_per_minute=1))
    batch = json.dumps({"events": [event(f"limited-{n}") for n in range(60)]}).encode()
    clients = Clients([door.url], key_for(database)).start()
    clients.more(30)
    limited.post("/v1/feedback/batch", batch)
    let_in = 0
    for seconds in JUMPS_S:
        (door.points / "clock").write_text(str(seconds))
        clients.more(30)
        let_in += limited.post("/v1/feedback/batch", batch)[0] < 300
    ledger = clients.end()
    ledger.said |= {f"limited-{n}": one for n, one in enumerate(json.loads(batch)["events"])}
    findings = ledger.check(database)
    return findings.found, set(ledger.statuses), let_in


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "holds"), [("turnable", True), ("turnable,wall", False)])
def test_a_jumping_clock_changes_no_order(database: Database, make_door: MakeDoor, plant: str, holds: bool) -> None:
    """An hour back, an hour ahead, ten seconds at a time: offsets go on, nobody is refused, limits are the same.

    Durations told from the wall clock, the bug planted, let a key in beyond its limit or refuse the others.
    """
    found, statuses, beyond = jump(make_door(plant), database)

    assert (not found and statuses == {201, 207} and beyond == 0) == holds, (found, statuses, beyond)
