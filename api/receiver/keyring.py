"""Who sends: keys looked up in the database and remembered for five seconds, so a revoked key ends within that."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from feedback_ingest.errors import Forbidden, StorageUnavailable
from feedback_ingest.keys import KnownKey, find, key_id_of, sender_of
from feedback_ingest.postgres import Database
from feedback_ingest.receive import Sender

FRESH_S = 5.0
STALE_S = 60.0
LOOK_S = 3.0
REMEMBERED = 10_000


@dataclass(slots=True)
class Remembered:
    """A credential as the database last told it (None: there is none), and when."""

    credential: KnownKey | None
    at: float


class Keyring:
    """Answers who a token is; while the database is away, keys it knows go on for a minute, others are told 503."""

    def __init__(self, database: Database, clock: Callable[[], datetime], monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._known: OrderedDict[str, Remembered] = OrderedDict()
        self._proven: OrderedDict[bytes, tuple[float, Sender]] = OrderedDict()

    async def sender(self, token: str, *scopes: str) -> Sender:
        """The sender behind `token`, who has one of `scopes`.

        Raises Unauthenticated, Forbidden, or StorageUnavailable where nobody can tell.
        """
        proof = hashlib.sha256(token.encode()).digest()
        proven = self._proven.get(proof)
        if proven is not None and self._monotonic_s() - proven[0] < FRESH_S:
            sender = proven[1]
        else:
            sender = sender_of(token, await self._credential(key_id_of(token)), self._clock())
            self._proven[proof] = (self._known[sender.key_id].at, sender)
            if len(self._proven) > REMEMBERED:
                self._proven.popitem(last=False)
        if not any(sender.may(scope) for scope in scopes):
            raise Forbidden()
        return sender

    async def _credential(self, key_id: str) -> KnownKey | None:
        known = self._known.get(key_id)
        age = self._monotonic_s() - known.at if known else STALE_S
        if known is not None and age < FRESH_S:
            return known.credential
        try:
            async with asyncio.timeout(LOOK_S):
                credential = await asyncio.to_thread(self._look, key_id)
        except (SQLAlchemyError, TimeoutError):
            if known is not None and known.credential is not None and age < STALE_S:
                return known.credential
            raise StorageUnavailable() from None
        self._known[key_id] = Remembered(credential, self._monotonic_s())
        self._known.move_to_end(key_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return credential

    def _look(self, key_id: str) -> KnownKey | None:
        with Session(self._database.engine) as session:
            return find(session, key_id)
