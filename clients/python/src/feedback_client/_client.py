"""The client for threads: `send` queues, a background thread delivers."""

import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self, Unpack

import httpx

from feedback_client import _lifetimes
from feedback_client._background import Background
from feedback_client._delivery import Settlement, Wait
from feedback_client._driving import Told, drive
from feedback_client._ledger import Ledger
from feedback_client._options import Settings, options
from feedback_client._reporting import Stats
from feedback_client._transport import BlockingPoster
from feedback_client._vocabulary import Spoken, Vocabulary
from feedback_client._wire import Item
from feedback_client.errors import ClientClosed, ConfigurationError, NotStored, Receipt


class FeedbackClient(Vocabulary[str]):
    """Sends feedback and inference records in the background. Thread-safe, fork-safe; one for a process is enough.

    Every method of `Vocabulary` queues one event and returns its id; `now` has the same methods, which post at once
    and return the receipt. Use it as a `with` block, or call `close`; at a normal exit that happens by itself.
    """

    def __init__(self, url: str | None = None, key: str | None = None, **settings: Unpack[Settings]) -> None:
        """`url` and `key` default to FEEDBACK_URL and FEEDBACK_KEY; raises ConfigurationError."""
        self._options = options(url, key, settings)
        if self._options.transport is not None and not isinstance(self._options.transport, httpx.BaseTransport):
            raise ConfigurationError("transport must be an httpx.BaseTransport")
        self.now: Spoken[Receipt] = Spoken(self.send_now, self.send_inference_now)
        self._is_closed = False
        self._opening = threading.Lock()
        self._poster = BlockingPoster(self._options)
        self._poster.open()
        self._opened: Background | None = Background(self._options, self._poster)
        _lifetimes.know(self)
        _lifetimes.started(self)
        if self._options.exit_on_sigterm:
            _lifetimes.exit_on_sigterm()

    def send(self, event: Mapping[str, object]) -> str:
        """Queues one feedback event and returns its feedback_id.

        Raises InvalidEvent, QueueFull (see `when_full`) or ClientClosed; what the server says comes to `on_refused`.
        """
        background = self._background()
        feedback_id, item = background.desk.feedback(event)
        background.queue(item)
        return feedback_id

    def send_inference(self, record: Mapping[str, object]) -> str:
        """Queues one inference record and returns its inference_request_id; raises as `send` does."""
        background = self._background()
        inference_request_id, item = background.desk.inference(record)
        background.queue(item)
        return inference_request_id

    def send_now(self, event: Mapping[str, object], *, deadline: float | None = None) -> Receipt:
        """Posts one feedback event and returns its receipt: it is durable.

        Raises Refused or its subclass Conflict, Blocked, NotDelivered after `deadline` seconds, InvalidEvent.
        """
        item = self._background().desk.feedback(event)[1]
        return self._deliver_now([item], deadline, single=True).receipt(item)

    def send_inference_now(self, record: Mapping[str, object], *, deadline: float | None = None) -> Receipt:
        """Posts one inference record and returns its receipt; raises as `send_now` does."""
        item = self._background().desk.inference(record)[1]
        return self._deliver_now([item], deadline, single=True).receipt(item)

    def send_batch(
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
        return self._deliver_now(items, deadline, single=False).outcomes(items)

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until everything sent so far has its outcome; False after `timeout` seconds (default `deadline`)."""
        return self._background().flush(self._options.deadline if timeout is None else timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Sends what waits, within `timeout` seconds (default `close_timeout`), and ends; whether everything was sent.

        What is left stays in the spool for the next start; without a spool it goes to `on_dropped`.
        """
        background = self._opened
        if background is None:
            self._is_closed = True
            return True
        background.refuse_own_thread()
        self._is_closed = True
        sent = background.close(self._options.close_timeout if timeout is None else timeout)
        # Interrupted before this, the end of the process tries again.
        self._poster.close()
        _lifetimes.ended(self)
        return sent

    def stats(self) -> Stats:
        """What became of the events, and what waits."""
        return self._background(even_closed=True).desk.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FeedbackClient({self._options.url!r})"

    def close_at_exit(self) -> None:
        """What the end of the process calls."""
        self.close()

    def after_fork(self) -> None:
        """What a forked child calls: the parent's events, threads, connections and files stay the parent's."""
        if self._opened is not None and not self._is_closed:
            self._opened.desk.outbox.forget()
        self._opened = None
        self._opening = threading.Lock()
        self._poster = BlockingPoster(self._options)

    def _background(self, *, even_closed: bool = False) -> Background:
        background = self._opened
        if background is None or self._is_closed:
            with self._opening:
                if self._is_closed and not (even_closed and self._opened):
                    raise ClientClosed("the client is closed")
                if self._opened is None:
                    self._opened = Background(self._options, self._poster)
                    _lifetimes.started(self)
                background = self._opened
        return background

    def _deliver_now(self, items: list[Item], deadline: float | None, *, single: bool) -> Ledger:
        ledger = Ledger()

        def pause(wait: Wait) -> bool:
            time.sleep(wait.seconds)
            return True

        def tell(step: Told) -> None:
            if isinstance(step, Settlement):
                ledger.keep(step)

        drive(self._background().desk.deliver_now(items, deadline, single=single), self._poster.post, pause, tell)
        return ledger
