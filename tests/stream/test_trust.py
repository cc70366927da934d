"""Trust in the stream: what no vote is left for, who is suspended and restored, and the same after a rebuild."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.trust.standings import HELD, KINDS, SUSPENDED
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from feedback_loop.stream.trusting.actors import ProjectActors
from tests.stream.events import NOON, append, feedback, inference, kept, recount, tables
from tests.stream.outboxes import rows, wipe_all

SATISFIED = """
SELECT sum(denominator)::int FROM live_metrics WHERE metric = 'satisfaction' AND segment = ''
"""


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe_all(database)
    return database


def name(number: int) -> str:
    """A feedback_id."""
    return str(UUID(int=(7 << 76) | (2 << 62) | number))


def thumb(number: int, user: str, second: int = 0, **fields: Any) -> list[Fact]:
    """An answer and what a user thinks of it."""
    said = feedback(name(number), f"i{number}", "explicit_binary", {"positive": True}, second, **fields)
    said.body["user_context"] = {"user_id": user}
    return [inference(f"i{number}", second=second), said]


def thumbs(first: int, count: int, user: str) -> list[Fact]:
    """So many of one user."""
    return [fact for n in range(first, first + count) for fact in thumb(n, user)]


def company(first: int = 5_000) -> list[Fact]:
    """Twenty other users, with a thumb each: among fewer nobody is judged."""
    return [fact for n in range(20) for fact in thumb(first + n, f"p_other{n}")]


def by_hand(database: Database, pepper: Pepper, user: str, act: str) -> int:
    """An administrator decides; the offset."""
    with Session(database.engine) as session:
        told = getattr(ProjectActors(session, 1), act)(user, "seen", Decider("a-key", pepper), utc_now())
        session.commit()
    return int(told["offset"])


def queued(database: Database) -> int:
    """How much is in the training queue."""
    return len(rows(database, "SELECT 1 FROM training_examples"))


def decided(database: Database) -> list[tuple[str, str, str | None]]:
    """What the log says of end users: the kind, whom, by which signal."""
    with Session(database.engine) as session:
        found = log.read(session, 0, 1_000_000, KINDS)
    return [(row.kind, row.body["subject"], row.body.get("signal")) for row in found]


def test_a_day_has_so_many_votes_and_both_drivers_agree(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Of thirty thumbs of one user twenty count, however the log is cut; another day, and another user, has its own."""
    append(empty, pepper, *company(), *thumbs(0, 30, "p_a"), *thumbs(30, 3, "p_b"), at=NOON)
    append(empty, pepper, *thumbs(40, 3, "p_a"), at=NOON + timedelta(days=1))
    catch_up(empty, settings.model_copy(update={"stream_batch": 7}))

    assert rows(empty, SATISFIED) == [(46,)]
    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)
    before = kept(empty)
    rebuild(empty, settings)
    assert kept(empty) == before
    assert queued(empty) == 56


def test_among_few_nobody_is_bounded_or_judged(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Who tries the loop out sends as much as they like."""
    append(empty, pepper, *thumbs(0, 600, "p_a"), *thumbs(700, 5, "p_b"))
    catch_up(empty, settings)

    assert (rows(empty, SATISFIED), queued(empty), decided(empty)) == ([(605,)], 605, [])
    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)


def test_who_is_suspended_is_not_heard_and_who_is_restored_is(
    empty: Database, settings: Settings, pepper: Pepper
) -> None:
    """What they said leaves the queue, what they say stays out of it and of metrics, until somebody restores them."""
    append(empty, pepper, *thumbs(0, 5, "p_a"), *thumbs(10, 2, "p_b"))
    catch_up(empty, settings)
    by_hand(empty, pepper, "p_a", "suspend")
    append(empty, pepper, *thumbs(20, 5, "p_a"))
    catch_up(empty, settings)
    silent = queued(empty), rows(empty, SATISFIED)
    by_hand(empty, pepper, "p_a", "restore")
    append(empty, pepper, *thumbs(30, 1, "p_a"))
    catch_up(empty, settings)

    assert silent == (2, [(7,)])
    assert (queued(empty), rows(empty, SATISFIED)) == (13, [(8,)])
    before = kept(empty)
    for batch in (1, 1_000):
        rebuild(empty, settings.model_copy(update={"stream_batch": batch}))
        assert kept(empty) == before


def test_a_burst_is_suspended_once_and_not_again_after_a_person_said_no(
    empty: Database, settings: Settings, pepper: Pepper
) -> None:
    """By itself; the next batches and a rebuild decide nothing more, and a person's word stands."""
    append(empty, pepper, *company(), *thumbs(0, 600, "p_bot"), *thumbs(700, 5, "p_b"))
    catch_up(empty, settings)
    append(empty, pepper, *thumbs(800, 20, "p_bot"))
    catch_up(empty, settings)
    rebuild(empty, settings)
    once = decided(empty)
    left = queued(empty)
    by_hand(empty, pepper, "p_bot", "restore")
    append(empty, pepper, *thumbs(900, 20, "p_bot"))
    catch_up(empty, settings)

    assert once == [(SUSPENDED, "p_bot", "burst")]
    assert left == 25 and queued(empty) == 665
    assert decided(empty)[1:] == [("actor_restored", "p_bot", None)]


def test_one_remark_of_many_accounts_is_held(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Who says again and again, a little changed, what was said before is held, with the figures."""
    facts = company()
    for n in range(24):
        user = "p_a" if n < 12 else "p_b"
        words = f"this answer number {n} is quite wrong and I want all of my money back from you at once please"
        other = " ".join(f"w{n * 20 + place}" for place in range(12))
        text = words if n < 12 else other
        said = feedback(name(n), f"i{n}", "explicit_comment", {"text": text})
        said.body["user_context"] = {"user_id": user}
        facts += [inference(f"i{n}"), said]
    append(empty, pepper, *facts)
    catch_up(empty, settings)

    assert decided(empty) == [(HELD, "p_a", "repeated_texts")]
