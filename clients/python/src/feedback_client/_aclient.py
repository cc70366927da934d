"""The client for asyncio: the same as `FeedbackClient`, awaited; it delivers in a task of the running loop."""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping
from types import TracebackType
from typing import Self, Unpack

import httpx

from feedback_client import _lifetimes
from feedback_client._abackground import AwaitedBackground
from feedback_client._delivery import Settlement, Wait
from feedback_client._desk import Desk
from feedback_client._driving import Told, called, drive_awaiting
from feedback_client._ledger import Ledger
from feedback_client._options import Settings, options
from feedback_client._reporting import Stats
from feedback_client._transport import AwaitedPoster, BlockingPoster
from feedback_client._vocabulary import Spoken, Vocabulary
from feedback_client._wire import Item
from feedback_client.errors import ClientClosed, ConfigurationError, NotStored, Receipt


class AsyncFeedbackClient(Vocabulary[Awaitable[str]]):
    """Sends feedback and inference records in the background of an event loop. Use it from one loop's thread.

    Every method of `Vocabulary` is awaited, queues one event and returns its id; `now` has the same methods, which
    post at once and return the receipt. Use it as an `async with` block, or await `aclose`.
    """

    def __init__(self, url: str | None = None, key: str | None = None, **settings: Unpack[Settings]) -> None:
        """`url` and `key` default to FEEDBACK_URL and FEEDBACK_KEY; needs no loop yet; raises ConfigurationError."""
        self._options = options(url, key, settings)
        if self._options.transport is not None and not isinstance(self._options.transport, httpx.AsyncBaseTransport):
            raise ConfigurationError("transport must be an httpx.AsyncBaseTransport")
        self.now: Spoken[Awaitable[Receipt]] = Spoken(self.send_now, self.send_inference_now)
        self._is_closed = False
        self._desk: Desk | None = Desk(self._options)
        self._opened: AwaitedBackground | None = None
        self._poster = AwaitedPoster(self._options)
        _lifetimes.know(self)
        _lifetimes.started(self)
        if self._options.exit_on_sigterm:
            _lifetimes.exit_on_sigterm()

    async def send(self, event: Mapping[str, object]) -> str:
        """Queues one feedback event and returns its feedback_id.

        Raises InvalidEvent, QueueFull (see `when_full`) or ClientClosed; what the server says comes to `on_refused`.
        """
        background = self._background()
        feedback_id, item = background.desk.feedback(event)
        await background.queue(item)
        return feedback_id

    async def send_inference(self, record: Mapping[str, object]) -> str:
        """Queues one inference record and returns its inference_request_id; raises as `send` does."""
        background = self._background()
        inference_request_id, item = background.desk.inference(record)
        await background.queue(item)
        return inference_request_id

    async def send_now(self, event: Mapping[str, object], *, deadline: float | None = None) -> Receipt:
        """Posts one feedback event and returns its receipt: it is durable.

        Raises Refused or its subclass Conflict, Blocked, NotDelivered after `deadline` seconds, InvalidEvent.
        """
        item = self._background().desk.feedback(event)[1]
        return (await self._deliver_now([item], deadline, single=True)).receipt(item)

    async def send_inference_now(self, record: Mapping[str, object], *, deadline: float | None = None) -> Receipt:
        """Posts one inference record and returns its receipt; raises as `send_now` does."""
        item = self._background().desk.inference(record)[1]
        return (await self._deliver_now([item], deadline, single=True)).receipt(item)

    async def send_batch(
        self,
        events: Iterable[Mapping[str, object]] = (),
        *,
        inferences: Iterable[Mapping[str, object]] = (),
        deadline: float | None = None,
    ) -> list[Receipt | NotStored]:
        """Posts many at once: the outcome of each inference, then of each feedback event, in the order given.

        That is its Receipt, or as a value the exception that `send_now` would have raised. Raises InvalidEvent, and
        then nothing was sent.
        """
        desk = self._background().desk
        items = [desk.inference(record)[1] for record in inferences]
        items += [desk.feedback(event)[1] for event in events]
        return (await self._deliver_now(items, deadline, single=False)).outcomes(items)

    async def flush(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Waits until everything sent so far has its outcome; False after `timeout` seconds (default `deadline`)."""
        return await self._background().flush(self._options.deadline if timeout is None else timeout)

    async def aclose(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Sends what waits, within `timeout` seconds (default `close_timeout`), and ends; whether everything was sent.

        What is left stays in the spool for the next start; without a spool it goes to `on_dropped`.
        """
        if self._is_closed:
            return True
        background = self._background()
        background.refuse_own_task()
        self._is_closed = True
        sent = await background.close(self._options.close_timeout if timeout is None else timeout)
        # Interrupted before this, the end of the process sends what is left.
        _lifetimes.ended(self)
        await self._poster.close()
        return sent

    def stats(self) -> Stats:
        """What became of the events, and what waits."""
        return self._open_desk().stats()

    async def __aenter__(self) -> Self:
        self._background()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncFeedbackClient({self._options.url!r})"

    def close_at_exit(self) -> None:
        """What the end of the process calls: the loop is gone, so what is left is sent without one."""
        desk, self._desk = self._desk, None
        self._is_closed = True
        if desk is None:
            return
        poster = BlockingPoster(self._options)
        if self._options.transport is None or isinstance(self._options.transport, httpx.BaseTransport):
            desk.drain(poster.post, time.monotonic() + self._options.close_timeout)
        called(desk.close())
        poster.close()

    def after_fork(self) -> None:
        """What a forked child calls: the parent's events, tasks, connections and files stay the parent's."""
        if self._desk is not None and not self._is_closed:
            self._desk.outbox.forget()
        self._desk = self._opened = None
        self._poster = AwaitedPoster(self._options)

    def _background(self) -> AwaitedBackground:
        """The background in the running loop; events that another loop left behind go on in this one."""
        if self._is_closed:
            raise ClientClosed("the client is closed")
        if self._opened is None or self._opened.loop is not asyncio.get_running_loop():
            desk = self._open_desk()
            self._opened = AwaitedBackground(self._options, self._poster, desk)
            if not desk.outbox.is_empty:
                self._opened.start()
        return self._opened

    def _open_desk(self) -> Desk:
        if self._desk is None:
            if self._is_closed:
                raise ClientClosed("the client is closed")
            self._desk = Desk(self._options)
            _lifetimes.started(self)
        return self._desk

    async def _deliver_now(self, items: list[Item], deadline: float | None, *, single: bool) -> Ledger:
        ledger = Ledger()

        async def pause(wait: Wait) -> bool:
            await asyncio.sleep(wait.seconds)
            return True

        async def tell(step: Told) -> None:
            if isinstance(step, Settlement):
                ledger.keep(step)

        steps = self._background().desk.deliver_now(items, deadline, single=single)
        await drive_awaiting(steps, self._poster.post, pause, tell)
        return ledger
