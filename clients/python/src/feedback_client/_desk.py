"""What the two clients have in common: the outbox, the courier, the reporter, and no thread or loop of its own."""

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace

from feedback_client._answers import Answer, Failure
from feedback_client._delivery import Courier, Post, Settlement, Step, Terms, Wait
from feedback_client._driving import Told, called, drive
from feedback_client._options import Options
from feedback_client._outbox import Outbox
from feedback_client._reporting import Reporter, Stats
from feedback_client._wire import Item, feedback_item, inference_item


class Desk:
    """One process's side of a client; a forked child gets another."""

    def __init__(self, options: Options) -> None:
        """Opens the spool where there is one; raises ConfigurationError."""
        self._options = options
        self.outbox = Outbox(options)
        self.reporter = Reporter(options)
        self._courier = self._new_courier()
        self._chunk: list[Item] = []
        self._done: set[int] = set()

    def _new_courier(self) -> Courier:
        told = self._options
        return Courier(told.timeout, told.batch_events, told.batch_bytes, told.gzip_above)

    def feedback(self, event: Mapping[str, object]) -> tuple[str, Item]:
        """The event completed and encoded, with its id; raises InvalidEvent."""
        return feedback_item(event, self._options.defaults, self._options.max_event_bytes)

    def inference(self, record: Mapping[str, object]) -> tuple[str, Item]:
        """The record completed and encoded, with its id; raises InvalidEvent."""
        return inference_item(record, self._options.defaults, self._options.max_event_bytes)

    def take(self) -> list[Item]:
        """What the background sends next: what an interrupted delivery left of its chunk, or a new chunk."""
        if not self._chunk:
            self._chunk = self.outbox.take(self._courier.batch_events, self._courier.batch_bytes)
        return [item for item in self._chunk if id(item) not in self._done]

    def settle(self) -> None:
        """The whole chunk has its outcomes."""
        self.outbox.settle(self._chunk)
        self._chunk = []
        self._done.clear()

    def deliver(self, items: list[Item]) -> Generator[Step, object, bool]:
        """The background's delivery: patient, without end unless `give_up_after` sets one."""
        give_up = self._options.give_up_after
        return self._courier.deliver(
            items, Terms(None if give_up is None else time.monotonic() + give_up, patient=True)
        )

    def deliver_now(self, items: list[Item], deadline: float | None, *, single: bool) -> Generator[Step, object, bool]:
        """A delivery somebody waits for, at most `deadline` seconds."""
        seconds = self._options.deadline if deadline is None else deadline
        return self._new_courier().deliver(items, Terms(time.monotonic() + seconds, single=single))

    @property
    def is_blocked(self) -> bool:
        """Whether trying on is useless until somebody changes the key or the address."""
        return self._courier.trouble.blocked

    def told(self, step: Told) -> Iterator[object]:
        """Counts and calls back."""
        if not isinstance(step, Settlement):
            return self.reporter.trouble(step)
        self._done.update(map(id, step.items))
        return self.reporter.settlement(step)

    def drain(self, post: Callable[[Post], Answer | Failure], ends_at: float) -> None:
        """Sends what waits from the calling thread, until `ends_at` (monotonic seconds)."""

        def pause(wait: Wait) -> bool:
            left = ends_at - time.monotonic()
            if self.is_blocked or wait.least >= left:
                return False
            time.sleep(min(wait.seconds, left))
            return time.monotonic() < ends_at

        def in_time(request: Post) -> Answer | Failure:
            return post(replace(request, timeout=max(min(request.timeout, ends_at - time.monotonic()), 0.001)))

        while not self.outbox.is_empty and time.monotonic() < ends_at:
            if not drive(self.deliver(self.take()), in_time, pause, lambda step: called(self.told(step))):
                return
            self.settle()

    def close(self) -> Iterator[object]:
        """Closes the outbox; what only this process knew is told as dropped."""
        lost = [item for item in self.outbox.lost_at_close() if id(item) not in self._done]
        self.outbox.close()
        return self.reporter.dropped(lost, "the client was closed before the delivery was confirmed")

    def stats(self) -> Stats:
        """The counts up to now."""
        counts, outbox, trouble = self.reporter.counts, self.outbox, self._courier.trouble
        return Stats(
            taken=outbox.added + counts["turned_away"],
            replayed=outbox.replayed,
            accepted=counts["accepted"],
            duplicate=counts["duplicate"],
            conflict=counts["conflict"],
            refused=counts["refused"],
            dropped=counts["dropped"],
            waiting_events=outbox.waiting_events,
            waiting_bytes=outbox.waiting_bytes,
            backlog_bytes=outbox.backlog_bytes,
            requests=self._courier.requests,
            retries=self._courier.retries,
            trouble=trouble.problem,
            blocked=trouble.blocked,
        )


def sync(descriptor: int) -> None:
    """Makes a file durable and closes this descriptor of it; raises OSError."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
