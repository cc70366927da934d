"""Revocation, and keys while the database is away: a wrong answer is never given for want of a right one."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from api.receiver.keyring import FRESH_S, STALE_S, Keyring
from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import StorageUnavailable, Unauthenticated
from feedback_ingest.postgres import Database

MakeKey = Callable[..., str]


class Clock:
    """A clock that is turned by hand, in both its forms."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self._began = utc_now()

    def now(self) -> Any:
        """The wall clock."""
        return self._began + timedelta(seconds=self.passed_s)

    def monotonic_s(self) -> float:
        """The monotonic clock."""
        return self.passed_s


@pytest.fixture
def clock() -> Clock:
    """At its start."""
    return Clock()


@pytest.fixture
def keyring(database: Database, clock: Clock) -> Keyring:
    """A keyring on the module's database."""
    return Keyring(database, clock.now, clock.monotonic_s)


def test_a_key_in_use_ends_within_five_seconds(
    keyring: Keyring, clock: Clock, make_key: MakeKey, session: Session
) -> None:
    """However often it was used a moment before."""
    key = make_key("ingest")
    asyncio.run(keyring.sender(key, "ingest"))
    keys.revoke(session, keys.key_id_of(key), utc_now())
    session.commit()

    clock.passed_s = FRESH_S + 0.001
    with pytest.raises(Unauthenticated):
        asyncio.run(keyring.sender(key, "ingest"))


def test_known_keys_outlive_the_database_by_a_minute(
    keyring: Keyring, clock: Clock, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A known key goes on for a minute; an unknown one is 503, never let in and never wrongly refused."""
    known, unknown = make_key("ingest"), make_key("ingest")
    asyncio.run(keyring.sender(known, "ingest"))

    def away(_: str) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(keyring, "_look", away)
    clock.passed_s = STALE_S - 1
    assert asyncio.run(keyring.sender(known, "ingest")).key_id == keys.key_id_of(known)
    with pytest.raises(StorageUnavailable):
        asyncio.run(keyring.sender(unknown, "ingest"))
    with pytest.raises(Unauthenticated):
        asyncio.run(keyring.sender(known[:-1] + ("a" if known[-1] != "a" else "b"), "ingest"))
    clock.passed_s = STALE_S + 1
    with pytest.raises(StorageUnavailable):
        asyncio.run(keyring.sender(known, "ingest"))
