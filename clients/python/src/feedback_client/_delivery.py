"""How events reach the server, without doing it: a generator that says what to do next and is told what came of it.

The threaded and the asyncio client drive the same generator, so retries, splitting and deadlines exist once. A `Post`
is answered with an Answer or a Failure, a `Wait` with whether to go on, the other steps with nothing.
"""

import gzip
import random
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from feedback_client._answers import Again, Outcome, Refusing, Settled, Smaller, Verdict, judge
from feedback_client._wire import FEEDBACK, INFERENCE, Item
from feedback_client.errors import Problem

PATHS = {FEEDBACK: "/v1/feedback", INFERENCE: "/v1/inferences"}
# An inference goes first: its feedback then finds it at once.
ORDER = (INFERENCE, FEEDBACK)
BACKOFF_BASE_S = 0.25
BACKOFF_CAP_S = 15.0
BLOCKED_S = 5.0
# So often a server may fail at one batch in a way it does not call passing, before an event is suspected.
DOUBTS = 6


@dataclass(frozen=True, slots=True)
class Post:
    """Send this request; no answer within `timeout` seconds is a Failure."""

    path: str
    headers: dict[str, str]
    body: bytes
    timeout: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` pass, or at `least` that many where time is short; answer False to leave the rest for later."""

    seconds: float
    least: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """These events have their outcome, by an answer; or none within the time (`gave_up`); or none at all (`blocked`).

    In the last two cases every outcome is the problem that stood in the way.
    """

    items: Sequence[Item]
    outcomes: Sequence[Outcome]
    how: Literal["answered", "gave_up", "blocked"] = "answered"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Delivery is held up by `problem` from now on (`blocked`: until somebody acts), or no longer (None)."""

    problem: Problem | None
    blocked: bool = False


Step = Post | Wait | Settlement | Trouble


@dataclass(frozen=True, slots=True)
class Terms:
    """How long to try: until `ends_at` (monotonic seconds; None: for ever); a `patient` sender outlasts a wrong key."""

    ends_at: float | None = None
    patient: bool = False
    single: bool = False


@dataclass(slots=True)
class Courier:
    """Plans deliveries. `batch_events` and `batch_bytes` shrink when the server says that a batch was too large."""

    timeout: float
    batch_events: int
    batch_bytes: int
    gzip_above: int | None
    clock: Callable[[], float] = time.monotonic
    uniform: Callable[[float, float], float] = random.uniform
    requests: int = field(default=0, init=False)
    retries: int = field(default=0, init=False)
    trouble: Trouble = field(default=Trouble(None), init=False)

    def deliver(self, items: Sequence[Item], terms: Terms) -> Generator[Step, Any, bool]:
        """Steps until every item is settled; returns False when told to stop before that."""
        work = [batch for kind in ORDER for batch in self._batches([i for i in items if i.kind == kind])][::-1]
        while work:
            smaller = yield from self._settle(work.pop(), terms)
            if smaller is None:
                return False
            work.extend(reversed(smaller))
        return True

    def _batches(self, items: list[Item]) -> list[list[Item]]:
        batches: list[list[Item]] = []
        size = 0
        for item in items:
            size += len(item.body) + 1
            if not batches or len(batches[-1]) >= self.batch_events or size > self.batch_bytes:
                batches.append([])
                size = len(item.body) + 1
            batches[-1].append(item)
        return batches

    def _settle(self, batch: list[Item], terms: Terms) -> Generator[Step, Any, list[list[Item]] | None]:
        """Posts one batch until it is settled ([]), needs to be smaller (its halves), or is left for later (None)."""
        attempt = doubts = 0
        while True:
            verdict = yield from self._attempt(batch, terms)
            if isinstance(verdict, Settled):
                batch, verdict = yield from self._take_outcomes(batch, verdict)
                if not batch:
                    return []
            attempt += 1
            doubts += isinstance(verdict, Again) and verdict.doubtful
            suspect = isinstance(verdict, Smaller) or doubts >= DOUBTS
            if suspect and len(batch) > 1:
                return self._halves(batch, verdict.problem)
            problems = [verdict.problem] * len(batch)
            if suspect or (isinstance(verdict, Refusing) and not terms.patient):
                yield Settlement(batch, problems, "answered" if suspect else "blocked")
                return []
            wait = self._pause(attempt, verdict)
            if terms.ends_at is not None and self.clock() + wait.seconds >= terms.ends_at:
                yield Settlement(batch, problems, "gave_up")
                return []
            yield from self._tell(Trouble(verdict.problem, isinstance(verdict, Refusing)))
            self.retries += 1
            if not (yield wait):
                return None

    def _attempt(self, batch: list[Item], terms: Terms) -> Generator[Step, Any, Verdict]:
        left = self.timeout if terms.ends_at is None else min(self.timeout, terms.ends_at - self.clock())
        if left <= 0:
            return Again(Problem("timed-out", None, "the deadline passed", retryable=True))
        headers = {"content-type": "application/json"}
        body = batch[0].body if terms.single else b'{"events":[' + b",".join(item.body for item in batch) + b"]}"
        if self.gzip_above is not None and len(body) > self.gzip_above:
            headers["content-encoding"] = "gzip"
            body = gzip.compress(body, 1, mtime=0)
        self.requests += 1
        path = PATHS[batch[0].kind] + ("" if terms.single else "/batch")
        reply = yield Post(path, headers, body, left)
        return judge(reply, len(batch), single=terms.single)

    def _take_outcomes(self, batch: list[Item], verdict: Settled) -> Generator[Step, Any, tuple[list[Item], Again]]:
        """Settles what is final; the rest of the batch, and why it is to be sent again."""
        pairs = list(zip(batch, verdict.outcomes, strict=True))
        final = [(item, told) for item, told in pairs if not (isinstance(told, Problem) and told.retryable)]
        rest = [(item, told) for item, told in pairs if isinstance(told, Problem) and told.retryable]
        yield from self._tell(Trouble(None))
        yield Settlement([item for item, _ in final], [told for _, told in final])
        return [item for item, _ in rest], Again(rest[0][1] if rest else Problem("none"))

    def _halves(self, batch: list[Item], problem: Problem) -> list[list[Item]]:
        middle = len(batch) // 2
        if problem.code == "batch-too-large":
            self.batch_events = min(self.batch_events, middle)
        elif problem.status == 413:
            size = sum(len(item.body) + 1 for item in batch)
            self.batch_bytes = min(self.batch_bytes, size // 2)
        return [batch[:middle], batch[middle:]]

    def _pause(self, attempt: int, verdict: Again | Smaller | Refusing) -> Wait:
        """What the server asked for, and full jitter on top so that clients do not come back all at once."""
        jitter = self.uniform(0.0, min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(attempt - 1, 16)))
        least = verdict.after if isinstance(verdict, Again) else BLOCKED_S
        return Wait(least + jitter, least)

    def _tell(self, trouble: Trouble) -> Generator[Step, Any, None]:
        """Says once that delivery is held up, and once that it goes on."""
        before, self.trouble = self.trouble, trouble
        if (before.problem and before.problem.code) != (trouble.problem and trouble.problem.code):
            yield trouble
