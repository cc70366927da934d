"""Bugs of the receiver, each of which a failure test must find: the docstring says what is wrong with it."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from failpoints import FAILPOINTS


def _early(module: ModuleType) -> None:
    """Acknowledges before the commit."""
    honest, working = module.GroupCommit.submit, set()

    async def submit(self: Any, items: Any, *given: Any, **named: Any) -> Any:
        task = asyncio.create_task(honest(self, items, *given, **named))
        working.add(task)
        task.add_done_callback(working.discard)
        return [module.Appended(1, "accepted") for _ in items]

    module.GroupCommit.submit = submit


def _unsynced(module: ModuleType) -> None:
    """Lets the database say yes before it has written."""
    module.SESSION["synchronous_commit"] = "off"


def _hopeful(module: ModuleType) -> None:
    """Takes a lost connection for a commit."""
    honest = module.GroupCommit._write

    async def write(self: Any, items: Any, *given: Any, **named: Any) -> Any:
        try:
            return await honest(self, items, *given, **named)
        except module.StorageUnavailable:
            return [module.Appended(1, "accepted") for _ in items]

    module.GroupCommit._write = write


def _undivided(module: ModuleType) -> None:
    """One event that Postgres refuses takes its whole group with it."""

    async def write(self: Any, items: Any, held: Any, whole: bool = False) -> Any:
        outcomes = await self._try(self._transact(items, held, whole))
        return outcomes if outcomes is not None else [module.Unstorable()] * len(items)

    module.GroupCommit._write = write


def _blind(module: ModuleType) -> None:
    """Every content has the same fingerprint."""
    module.Pepper.fingerprint = lambda self, text: b"0" * 32


def _permissive(module: ModuleType) -> None:
    """No text is refused for what Postgres cannot keep: the database is the first to see it."""
    honest = module.Receiver.feedback

    def feedback(self: Any, raw: bytes, *given: Any) -> Any:
        item = honest(self, raw, *given)
        return item._replace(body=item.body.replace("make it poison", "\\u0000"))

    module.Receiver.feedback = feedback


def _slow_commit(module: ModuleType, argument: str = "0.1:20") -> None:
    """A commit takes SECONDS and holds at most ITEMS: the capacity is ITEMS / SECONDS."""
    seconds, items = argument.split(":")
    honest = module.GroupCommit._transact
    module.GROUP_ITEMS = int(items)

    async def transact(self: Any, *given: Any) -> Any:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), float(seconds))
        return await honest(self, *given)

    module.GroupCommit._transact = transact


def _endless_queue(module: ModuleType) -> None:
    """Nothing is ever too much."""
    honest = module.GroupCommit.__init__

    def begin(self: Any, dsn: str, **named: Any) -> None:
        honest(self, dsn, **named | {"events": 10**9, "bytes_": 10**12, "age_s": 10**9})

    module.GroupCommit.__init__ = begin


def _deaf(_: ModuleType) -> None:
    """Ends its worker at SIGTERM, whatever that has to do."""
    from uvicorn.supervisors.multiprocess import Process

    Process.terminate = Process.kill


def _patient(module: ModuleType) -> None:
    """Waits for headers for ten minutes."""
    module.HEAD_TIMEOUT_S = 600.0


def _roomy(module: ModuleType) -> None:
    """Takes headers of any size."""
    module.HEAD_BYTES = 1 << 29


def _unlimited(module: ModuleType) -> None:
    """Inflates whatever comes before it looks at the size."""
    import zlib

    module.inflate = lambda raw, limit: zlib.decompress(raw, 31)


def _bottomless(module: ModuleType) -> None:
    """Keeps every refused event."""
    module.Room.admit = lambda self, held: list(held)


def _hanging(module: ModuleType) -> None:
    """Waits for a database that says nothing as long as it says nothing."""
    module.TRY_S = module.CONNECT_S = 10**6
    module.SESSION["statement_timeout"] = "0"


def _leaky(module: ModuleType) -> None:
    """Every answer costs an open file."""
    honest = module.answer

    async def answer(*given: Any) -> None:
        os.dup(0)
        await honest(*given)

    module.answer = answer


def _shared(module: ModuleType) -> None:
    """All keys pay into one bucket."""
    honest = module.Buckets._bucket
    module.Buckets._bucket = lambda self, key_id, name, quota, now_s: honest(self, "", name, 600, now_s)


def _forgetful(module: ModuleType) -> None:
    """Loses the first of what is to be held."""
    honest = module.Room.admit
    module.Room.admit = lambda self, held: honest(self, held[1:])


def _eager(module: ModuleType) -> None:
    """Takes what came for all there is."""

    async def read(receive: Any, limit: int) -> bytes:
        chunks = []
        while True:
            message = await receive()
            chunks.append(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return b"".join(chunks)

    module._read = read


def _turnable(module: ModuleType) -> None:
    """The wall clock goes as many seconds wrong as the file `clock` says."""
    from datetime import timedelta

    honest = module.utc_now

    def utc_now() -> Any:
        try:
            return honest() + timedelta(seconds=float((Path(os.environ["PLANTED_POINTS"]) / "clock").read_text()))
        except (FileNotFoundError, ValueError):
            return honest()

    module.utc_now = utc_now


def _wall(module: ModuleType) -> None:
    """Durations are told from the wall clock."""
    module.monotonic_s = lambda: module.utc_now().timestamp()


def _stubborn(module: ModuleType) -> None:
    """A migration waits for its tables as long as it takes, and everybody behind it."""
    honest = module.text
    module.text = lambda statement: honest(statement.replace("lock_timeout = '1s'", "lock_timeout = '0'"))


def _unlocked(module: ModuleType) -> None:
    """Every process has a lock of its own."""
    module.LOCK = os.getpid()


def _forgiving(module: ModuleType) -> None:
    """Believes for a minute what it once knew of a key."""
    module.FRESH_S = 60.0


def _chatty(module: ModuleType) -> None:
    """Writes to the log what it was given."""
    honest = module.bearer

    def bearer(scope: Any) -> str:
        token = honest(scope)
        print("entered with", token, flush=True)
        return token

    module.bearer = bearer


def _quadratic(module: ModuleType) -> None:
    """Looks for names written twice by comparing everything with everything."""

    def refuse(raw: bytes, once: bytes) -> None:
        places = [place for place in range(min(len(raw), 20_000)) if raw[place] in b'":,[{']
        sum(one == other for one in places[:4_000] for other in places[:4_000])

    module.refuse_duplicate_names = refuse


FAULTS: dict[str, list[Any]] = {
    "failpoints": FAILPOINTS,
    "ack_early": [("feedback_ingest.group_commit", _early)],
    "unsynced": [("feedback_ingest.group_commit", _unsynced)],
    "hopeful": [("feedback_ingest.group_commit", _hopeful)],
    "undivided": [("feedback_ingest.group_commit", _undivided)],
    "blind": [("feedback_ingest.canonical", _blind)],
    "permissive": [("feedback_ingest.receive", _permissive)],
    "slow_commit": [("feedback_ingest.group_commit", _slow_commit)],
    "endless_queue": [("feedback_ingest.group_commit", _endless_queue)],
    "deaf": [("api.serving", _deaf)],
    "patient": [("api.guarded_http", _patient)],
    "roomy": [("api.guarded_http", _roomy)],
    "unlimited": [("api.receiver.bodies", _unlimited)],
    "bottomless": [("feedback_ingest.held", _bottomless)],
    "leaky": [("api.receiver.asgi", _leaky)],
    "shared": [("feedback_ingest.rate_limits", _shared)],
    "forgetful": [("feedback_ingest.held", _forgetful)],
    "eager": [("api.receiver.bodies", _eager)],
    "turnable": [("feedback_ingest.clock", _turnable)],
    "wall": [("feedback_ingest.clock", _wall)],
    "stubborn": [("feedback_ingest.migrate", _stubborn)],
    "unlocked": [("feedback_ingest.migrate", _unlocked)],
    "forgiving": [("api.receiver.keyring", _forgiving)],
    "chatty": [("api.receiver.door", _chatty)],
    "quadratic": [("feedback_ingest.receive", _quadratic)],
    "hanging": [("feedback_ingest.group_commit", _hanging)],
}
