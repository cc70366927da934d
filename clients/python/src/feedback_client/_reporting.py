"""What became of every event: counted, told to the callbacks, logged where nobody listens; never an event's text."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from feedback_client._answers import Outcome
from feedback_client._delivery import Settlement, Trouble
from feedback_client._options import Options
from feedback_client._wire import ID_FIELD, Item
from feedback_client.errors import Problem, Receipt

log = logging.getLogger("feedback_client")


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the client was made.

    `taken` is every event that `send` did not raise for. Once nothing is in flight,
    `taken + replayed = accepted + duplicate + conflict + refused + dropped + waiting_events`.
    `replayed` came from the spool of an earlier process; `backlog_bytes` of it are still to be sent.
    `trouble` is what holds delivery up at the moment, `blocked` whether it will not pass by itself.
    """

    taken: int
    replayed: int
    accepted: int
    duplicate: int
    conflict: int
    refused: int
    dropped: int
    waiting_events: int
    waiting_bytes: int
    backlog_bytes: int
    requests: int
    retries: int
    trouble: Problem | None
    blocked: bool


class Reporter:
    """Turns settlements into counts and callbacks; what a callback returns is yielded, so that it may be awaited."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def settlement(self, settlement: Settlement) -> Iterator[object]:
        """One yield for each callback that was called."""
        if settlement.how != "answered":
            yield from self.dropped(settlement.items, f"not delivered: {settlement.outcomes[0]}")
            return
        self._count(Counter(_status(outcome) for outcome in settlement.outcomes))
        for item, outcome in zip(settlement.items, settlement.outcomes, strict=True):
            if isinstance(outcome, Problem):
                yield self._refused(item, outcome)

    def dropped(self, items: Iterable[Item], reason: str) -> Iterator[object]:
        """These events are not sent, and `reason` says why."""
        items = list(items)
        self._count(Counter(dropped=len(items)))
        if self._options.on_dropped is None:
            if items:
                log.error("%d events dropped: %s (the first: %s)", len(items), reason, _named(items[0]))
            return
        for item in items:
            try:
                yield self._options.on_dropped(item.event(), reason)
            except Exception:
                log.exception("on_dropped failed for %s", _named(item))

    def turned_away(self, item: Item, reason: str) -> Iterator[object]:
        """This event found no room in the queue."""
        self._count(Counter(turned_away=1))
        return self.dropped([item], f"the queue is full: {reason}")

    def trouble(self, trouble: Trouble) -> Iterator[object]:
        """Delivery is held up, or goes on."""
        if trouble.problem is None:
            log.info("feedback is delivered again")
            return
        log.log(
            logging.ERROR if trouble.blocked else logging.WARNING,
            "feedback cannot be delivered, trying on: %s",
            trouble.problem,
        )
        if trouble.blocked and self._options.on_blocked is not None:
            try:
                yield self._options.on_blocked(trouble.problem)
            except Exception:
                log.exception("on_blocked failed")

    def _count(self, counts: Counter[str]) -> None:
        with self._lock:
            self.counts.update(counts)

    def _refused(self, item: Item, problem: Problem) -> object:
        if self._options.on_refused is None:
            log.error("%s refused: %s", _named(item), problem)
            return None
        try:
            return self._options.on_refused(item.event(), problem)
        except Exception:
            log.exception("on_refused failed for %s", _named(item))
            return None


def _status(outcome: Outcome) -> str:
    if isinstance(outcome, Receipt):
        return outcome.status
    return "conflict" if outcome.status == 409 else "refused"


def _named(item: Item) -> str:
    field = ID_FIELD[item.kind]
    return f"{field} {item.event().get(field)}"
