"""The deliverer: takes what is due from the outbox, sends it, and keeps what came of it; any number may work at once.

It runs beside the stream, in a thread with a loop of its own, and is woken by the commit that put a message out.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from threading import Event as Flag
from threading import Thread
from typing import Any, Protocol

import asyncpg

from feedback_ingest.canonical import Pepper, load_pepper
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.retries import Outcome, health_after, next_try
from feedback_loop.stream import counters
from feedback_loop.stream.webhooks import claims
from feedback_loop.stream.webhooks.claims import Claim
from feedback_loop.stream.webhooks.outbox import CHANNEL
from feedback_loop.stream.webhooks.sealing import Sealer, Unsealable
from feedback_loop.stream.webhooks.sending import Sent, Wire, signed

logger = logging.getLogger("feedback.webhooks")

POLL_S = 0.5
"""A wake-up may be lost, and a retry is due without one."""

RENEW_S = 2.0
"""How often leases are renewed; a third of a lease."""

AT_ONCE = 256
CONNECTIONS = 4
CONNECT_S, PAUSE_S, STOP_S = 5.0, 0.5, 3.0
FORGET_EVERY_S = 3_600.0
SESSION = {"application_name": "feedback webhooks", "timezone": "UTC", "statement_timeout": "10s"}
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
)
"""A database that is away, starting, full or leaving, as asyncpg tells it."""


class Worker(Protocol):
    """What works beside the stream: `run` is its task, `stop` ends it, called in its loop."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class Deliverer:
    """One deliverer; `run` is its task, `stop` ends it once what is on its way has come back."""

    def __init__(
        self,
        dsn: str,
        wire: Wire,
        pepper: Pepper,
        keep: timedelta,
        clock: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._dsn, self._wire, self._pepper, self._keep = dsn, wire, pepper, keep
        self._sealer = Sealer(pepper)
        self._clock, self._chance = clock, chance
        self._woken = asyncio.Event()
        self._on_the_way: dict[asyncio.Task[None], Claim] = {}
        self._is_stopping = False

    def stop(self) -> None:
        """Takes nothing more; call it in the loop."""
        self._is_stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Delivers until stopped; waits for a database that is away."""
        async with self._wire:
            while not self._is_stopping:
                try:
                    await self._work()
                except AWAY:
                    logger.warning("the outbox waits for the database")
                    await self._nap(PAUSE_S)

    async def _work(self) -> None:
        own = await asyncpg.connect(self._dsn, timeout=CONNECT_S, server_settings=SESSION)
        try:
            await own.add_listener(CHANNEL, lambda *_: self._woken.set())
            pool = asyncpg.create_pool(
                self._dsn, min_size=1, max_size=CONNECTIONS, timeout=CONNECT_S, server_settings=SESSION
            )
            async with pool:
                await self._follow(own, pool)
        finally:
            own.terminate()

    async def _follow(self, own: Any, pool: Any) -> None:
        renewed_s, forgot_s = monotonic_s(), -FORGET_EVERY_S
        try:
            while not self._is_stopping:
                self._woken.clear()
                await self._take(own, pool)
                if monotonic_s() - renewed_s >= RENEW_S:
                    await self._renew(own)
                    renewed_s = monotonic_s()
                if monotonic_s() - forgot_s >= FORGET_EVERY_S:
                    await claims.forget_older(own, self._clock() - self._keep)
                    forgot_s = monotonic_s()
                await self._nap(POLL_S)
            if self._on_the_way:
                await asyncio.wait(self._on_the_way, timeout=STOP_S)
        finally:
            for task in self._on_the_way:
                task.cancel()
            await asyncio.gather(*self._on_the_way, return_exceptions=True)
            self._on_the_way.clear()

    async def _nap(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _take(self, own: Any, pool: Any) -> None:
        for task in [task for task in self._on_the_way if task.done()]:
            del self._on_the_way[task]
            task.result()
        if len(self._on_the_way) < AT_ONCE:
            for claim in await claims.take(own, self._clock()):
                self._on_the_way[asyncio.create_task(self._deliver(pool, claim))] = claim

    async def _deliver(self, pool: Any, claim: Claim) -> None:
        began = self._clock()
        sent = await self._send(claim, began)
        ended = self._clock()
        _count(claim, sent.outcome, ended)
        following = next_try(claim.event_type, claim.tries, sent.outcome, self._chance())
        async with pool.acquire() as connection, connection.transaction():
            before = await claims.health_of(connection, claim.endpoint_id)
            if before is not None:
                await claims.keep_attempt(connection, claim, sent, began, ended)
                await claims.end(connection, claim, following, ended)
                after = health_after(before, sent.outcome, ended)
                await claims.heal(connection, claim, before, after, self._pepper, ended)
        self._woken.set()
        if following.wait_s is not None:
            asyncio.get_running_loop().call_later(following.wait_s, self._woken.set)

    async def _send(self, claim: Claim, now: datetime) -> Sent:
        try:
            url = self._sealer.open(claim.sealed_url, claim.endpoint_id)
            secrets = [self._sealer.open(sealed, claim.endpoint_id) for sealed in claim.sealed_secrets]
            return await self._wire.send(url, signed(claim.message_id, claim.body, secrets, now), claim.body, now)
        except Unsealable as error:
            return Sent(Outcome(None, error.code))
        except Exception:  # whatever a receiver brings about is its own failed attempt, and no end of the others'
            logger.exception("an attempt to deliver %s failed", claim.message_id)
            return Sent(Outcome(None, "internal"))

    async def _renew(self, own: Any) -> None:
        held = [claim for task, claim in self._on_the_way.items() if not task.done()]
        if held:
            await claims.renew(own, held, self._clock())


def _count(claim: Claim, outcome: Outcome, now: datetime) -> None:
    if outcome.is_delivered:
        counters.DELAY.observe((now - claim.created_at).total_seconds())
    word = "delivered" if outcome.is_delivered else outcome.error or f"{(outcome.status or 0) // 100}xx"
    counters.ATTEMPTS.labels(word).inc()


def delivering(database: Database, settings: Settings, stop: Flag) -> AbstractContextManager[None]:
    """Delivers while the block runs, as the settings say; raises SetupError for settings that cannot be read."""
    wire, keep = Wire.of(settings), timedelta(days=settings.webhook_days)
    return beside(Deliverer(database.asyncpg_dsn, wire, load_pepper(settings), keep), stop)


@contextmanager
def beside(worker: Worker, stop: Flag, name: str = "webhooks") -> Iterator[None]:
    """Has `worker` work in a thread of its own while the block runs.

    Should it fail beyond what it waits out, `stop` is set, and its error raised where the block ends: half a process
    must not go on as a whole one.
    """
    failure: list[BaseException] = []
    loop = asyncio.new_event_loop()

    def work() -> None:
        try:
            loop.run_until_complete(worker.run())
        except Exception as error:  # noqa: BLE001 - raised where the block ends
            failure.append(error)
            stop.set()

    thread = Thread(target=work, name=name)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(worker.stop)
        thread.join()
        loop.close()
    if failure:
        raise failure[0]
