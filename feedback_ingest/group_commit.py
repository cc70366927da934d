"""Group commit: what arrived while the last transaction committed goes into the next; nobody is told before COMMIT.

One connection and one transaction in flight a process; no timer. A full queue refuses at once, a data error is
narrowed down to the one event, an unknown outcome is told as such, since sending again is safe.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from feedback_ingest.errors import (
    FeedbackError,
    Overloaded,
    StorageFull,
    StorageUnavailable,
    Unstorable,
)
from feedback_ingest.held import COUNT, KEEP, Held, Room
from feedback_ingest.log import APPEND, Appended, Item
from feedback_ingest.whole_batches import append_whole, find_unstorable

STATEMENT = APPEND.format(*(f"${n}" for n in range(1, 8)))
FIRST_RECEIVED = "SELECT log_offset, received_at FROM staging.feedback_events WHERE log_offset = ANY($1::bigint[])"
SESSION = {
    "application_name": "feedback receiver",
    "timezone": "UTC",
    "synchronous_commit": "on",
    "statement_timeout": "4s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
}
GROUP_ITEMS = 1_000
TRY_S = 5.0
CONNECT_S = 2.0
"""A database that says nothing is given up after these: together they are less than the 8 s a request may wait."""
log = logging.getLogger("feedback.api")
DATA_ERRORS = ("22", "23", "54")


Outcome = Appended | FeedbackError


@dataclass(slots=True)
class Entry:
    """One request's share of a group: its events, what it wants held, and the answer it waits for."""

    items: Sequence[Item]
    held: Sequence[Held]
    done: asyncio.Future[list[Outcome]]
    since: float
    size: int = field(default=0)
    whole: bool = field(default=False)


class GroupCommit:
    """The one writer of this process. `submit` is awaited by requests; `run` is its task."""

    def __init__(
        self,
        dsn: str,
        *,
        events: int,
        bytes_: int,
        age_s: float,
        quarantine_rows: int,
        clock: Callable[[], float],
        quarantine_bytes: int = 2**62,
    ) -> None:
        self._dsn = dsn
        self._limits = (events, bytes_, age_s)
        self.room = Room(quarantine_rows, quarantine_bytes)
        self._clock = clock
        self._waiting: deque[Entry] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = 0
        self._connection: Any = None
        self._pending = [0, 0]
        self.is_up = False
        self.is_closing = False
        self.counts: Counter[str] = Counter()

    @property
    def waiting_events(self) -> int:
        """Events accepted for writing whose commit is not yet known."""
        return self._pending[0]

    async def submit(self, items: Sequence[Item], held: Sequence[Held] = (), whole: bool = False) -> list[Outcome]:
        """Writes `items` (and holds `held`) in one transaction with others; each item's outcome, in order.

        A `whole` batch has a transaction of its own, which stores none of its items where one cannot be stored.
        Raises Overloaded when too much waits, StorageUnavailable when the outcome is unknown.
        """
        if not self.is_up:
            raise StorageUnavailable()
        events, bytes_, age_s = self._limits
        size = sum([len(item.body) for item in items]) + sum([len(item.body) for item in held])
        late = self._waiting and self._clock() - self._waiting[0].since > age_s
        if late or self._pending[0] + len(items) > events or self._pending[1] + size > bytes_:
            self.counts["overloaded"] += 1
            raise Overloaded()
        entry = Entry(items, held, asyncio.get_running_loop().create_future(), self._clock(), size, whole)
        self._pending[0] += len(items)
        self._pending[1] += size
        self._waiting.append(entry)
        self._open += 1
        self._idle.clear()
        self._arrived.set()
        return await entry.done

    async def run(self) -> None:
        """Commits groups until cancelled; call `drain` first for a graceful end."""
        await self._reconnect()
        while True:
            await self._arrived.wait()
            group = self._next_group()
            if group:
                await self._commit(group)

    async def drain(self) -> None:
        """Waits until everything submitted is answered."""
        self.is_closing = True
        await self._idle.wait()

    async def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            with suppress(Exception):
                await self._connection.close(timeout=2)

    def _next_group(self) -> list[Entry]:
        group: list[Entry] = []
        count = 0
        while self._waiting and (not group or self._joins(group, count)):
            entry = self._waiting.popleft()
            group.append(entry)
            count += len(entry.items)
        if not self._waiting:
            self._arrived.clear()
        return group

    def _joins(self, group: list[Entry], count: int) -> bool:
        following = self._waiting[0]
        return not (following.whole or group[0].whole) and count + len(following.items) <= GROUP_ITEMS

    async def _commit(self, group: list[Entry]) -> None:
        items = [item for entry in group for item in entry.items]
        held = [row for entry in group for row in entry.held]
        try:
            outcomes = await self._write(items, held, group[0].whole)
        except FeedbackError as error:
            self._answer(group, error)
            if not isinstance(error, StorageFull):
                await self._reconnect()
            return
        start = 0
        for entry in group:
            self._release(entry)
            if not entry.done.done():
                entry.done.set_result(outcomes[start : start + len(entry.items)])
            start += len(entry.items)

    def _answer(self, group: list[Entry], error: FeedbackError) -> None:
        for entry in group:
            self._release(entry)
            if not entry.done.done():
                entry.done.set_exception(error)

    def _release(self, entry: Entry) -> None:
        self._pending[0] -= len(entry.items)
        self._pending[1] -= entry.size
        self._open -= 1
        if not self._open:
            self._idle.set()

    async def _write(self, items: Sequence[Item], held: Sequence[Held], whole: bool = False) -> list[Outcome]:
        """One transaction; on a data error the halves apart, down to the one event Postgres refuses."""
        outcomes = await self._try(self._transact(items, held, whole))
        if outcomes is not None or not items:
            return outcomes or []
        if len(items) == 1 or whole:
            if held:
                await self._write((), held)
            found = None if len(items) == 1 else await self._try(find_unstorable(self._connection, self._append, items))
            return found or [Unstorable()] * len(items)
        half = len(items) // 2
        return await self._write(items[:half], held) + await self._write(items[half:], ())

    @staticmethod
    async def _try(work: Awaitable[list[Outcome]]) -> list[Outcome] | None:
        """What `work` does, or None on a data error; raises StorageFull or StorageUnavailable."""
        try:
            async with asyncio.timeout(TRY_S):
                return await work
        except asyncpg.PostgresError as error:
            state = error.sqlstate or ""
            if state == "53100":
                raise StorageFull() from error
            if not state.startswith(DATA_ERRORS):
                raise StorageUnavailable() from error
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
            raise StorageUnavailable() from error
        except Exception as error:  # the one writer must not end: whoever waits would wait for ever
            log.exception("a group was not written")
            raise StorageUnavailable() from error
        return None

    async def _transact(self, items: Sequence[Item], held: Sequence[Held], whole: bool) -> list[Outcome]:
        kept = self.room.admit(held)
        if not kept and not whole:
            return list(await self._append(items))
        outcomes: list[Outcome] = []
        async with self._connection.transaction():
            if kept:
                await self._connection.execute(KEEP, *map(list, zip(*kept, strict=True)))
            if whole:
                outcomes = await append_whole(self._connection, self._append, items)
            else:
                outcomes = list(await self._append(items))
        self.room.keep(kept)
        return outcomes

    async def _append(self, items: Sequence[Item]) -> list[Appended]:
        if not items:
            return []
        rows = await self._connection.fetch(STATEMENT, *map(list, zip(*items, strict=True)))
        known = [log_offset for _, log_offset, status in rows if status == "duplicate"]
        first = dict(await self._connection.fetch(FIRST_RECEIVED, known)) if known else {}
        return [Appended(log_offset, status, first.get(log_offset)) for _, log_offset, status in rows]

    async def _reconnect(self) -> None:
        """Tries until the database is there and safe to write to; meanwhile whoever waits is told 503."""
        self.is_up = False
        pause = 0.05
        while True:
            if self._connection is not None:
                self._connection.terminate()
            try:
                self._connection = await asyncpg.connect(self._dsn, timeout=CONNECT_S, server_settings=SESSION)
                async with asyncio.timeout(CONNECT_S):
                    await self._refuse_unsafe_server()
                    rows = await self._connection.fetch(COUNT)
                self.room.recount({row["project_id"]: (row["rows"], row["bytes"]) for row in rows})
                self.is_up = True
                return
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                while self._waiting:
                    self._answer(self._next_group(), StorageUnavailable())
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)

    async def _refuse_unsafe_server(self) -> None:
        """An acknowledgement means durable only where the server syncs what it commits, and is no standby."""
        row = await self._connection.fetchrow(
            "SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages, "
            "pg_is_in_recovery() AS standby"
        )
        if row["fsync"] != "on" or row["pages"] != "on" or row["standby"]:
            await self.close()
            raise asyncpg.InterfaceError("the server does not keep what it commits")
