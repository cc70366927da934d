"""A small application that serves a champion: answers at a rate, logs each answer, posts what its users say."""

import asyncio
import heapq
import itertools
import json
import random
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from examples.outbox import Outbox
from feedback_loop.registry.served_model import ServedModel

TICK_S = 0.1
LATE_INFERENCES = 0.02
LATE_BY_S = 2.0
AGAIN_AFTER_S = 0.5
MOST_SENDING = 100
WAIT_MS = 2_000
"""The API answers when the champion moves, or after so long: the end of the app waits for no longer answer."""
Tell = Callable[[dict[str, Any]], None]


def now() -> datetime:
    """The wall clock in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Post:
    """One feedback to be posted `after_s` seconds; `again`: once more with the "same" or "other" content, or not."""

    after_s: float
    body: dict[str, Any]
    again: str | None = None


@dataclass(frozen=True)
class Given:
    """An answer that was given: of which model, and under which id its inference is logged."""

    inference_request_id: str
    model_name: str
    model_version: str


def post_about(given: Given, after_s: float, kind: str, value: dict[str, Any], user: str | None) -> Post:
    """What a user says of an answer; None: what another system knows of it."""
    body: dict[str, Any] = {
        "inference_request_id": given.inference_request_id,
        "model_name": given.model_name,
        "model_version": given.model_version,
        "feedback_type": kind,
        "feedback_value": value,
        "user_context": {"user_id": user} if user else {},
    }
    if user is None:
        body["source"] = {"kind": "system"}
    return Post(after_s, body)


@dataclass
class Plan:
    """How the app behaves: the drift comes `drift_after_s` after the first answer, or never."""

    model_name: str
    rate: float
    seed: int
    drift_after_s: float | None


@dataclass
class ServingApp(ABC):
    """One served model, an outbox, and what is still to be posted; `random` is where all chance comes from."""

    plan: Plan
    served: ServedModel
    outbox: Outbox
    tell: Tell
    models: dict[str, Any] = field(default_factory=dict)
    has_drifted: bool = False
    is_stopping: bool = False
    _due: list[tuple[float, int, Post]] = field(default_factory=list)
    _order: itertools.count = field(default_factory=itertools.count)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.plan.seed)

    async def run(self) -> None:
        """Works until asked to stop, then posts what is still due."""
        await self._follow_champion(once=True)
        follower = asyncio.create_task(self._follow_champion())
        started = time.monotonic()
        next_tick = started
        while not self.is_stopping:
            if self.plan.drift_after_s is not None and time.monotonic() - started > self.plan.drift_after_s:
                self._drift()
            if len(self._sending) < MOST_SENDING:  # behind: rather fewer images than a queue without end
                self._answer(int(self.random.poisson(self.plan.rate * TICK_S)))
            self._send_due(time.monotonic())
            next_tick = max(next_tick + TICK_S, time.monotonic() - 1.0)
            await asyncio.sleep(max(0.0, next_tick - time.monotonic()))
        follower.cancel()
        await self._finish()

    @abstractmethod
    def measure(self) -> dict[str, dict[str, float]]:
        """Accuracy of every version served so far on what was never answered before, `before` the drift and `after`."""

    @abstractmethod
    def _answer(self, count: int) -> None:
        """Answers so many requests at once, and plans what the users will say."""

    def _drift(self) -> None:
        if not self.has_drifted:
            self.has_drifted = True
            self.tell({"event": "drifted", "at": now().isoformat()})

    async def _follow_champion(self, once: bool = False) -> None:
        while True:
            asked_at = time.monotonic()
            if await asyncio.to_thread(self.served.refresh, 0 if once else WAIT_MS):
                self.models[self.served.version] = self.served.model
                self.tell({"event": "serving", "model_version": self.served.version, "at": now().isoformat()})
            if once:
                return
            # An API that is away answers at once that it is.
            await asyncio.sleep(max(0.0, asked_at + 0.5 - time.monotonic()))

    def _log(self, bodies: list[dict[str, Any]], chance: "random.Random | np.random.Generator") -> None:
        """Logs inferences: most of them at once, a few only when their feedback is there already."""
        late = [body for body in bodies if chance.random() < LATE_INFERENCES]
        self._spawn(self.outbox.batch("inference", [body for body in bodies if body not in late]))
        for body in late:
            self._plan(Post(LATE_BY_S, {"late_inference": body}))

    def _plan(self, post: Post) -> None:
        heapq.heappush(self._due, (time.monotonic() + post.after_s, next(self._order), post))

    def _send_due(self, moment: float) -> None:
        """Users speak one by one; the archive that knows the truth sends what it has in one batch."""
        truths = []
        while self._due and self._due[0][0] <= moment:
            post = heapq.heappop(self._due)[2]
            if "late_inference" in post.body:
                self._spawn(self.outbox.batch("inference", [post.body["late_inference"]]))
                continue
            if "feedback_id" not in post.body:  # said now: an id and a time, kept when it is sent again
                post.body.update(feedback_id=str(uuid.uuid4()), occurred_at=now().isoformat())
            if post.body["feedback_type"] == "ground_truth" and not post.again:
                truths.append(post.body)
            else:
                self._spawn(self._say(post))
        if truths:
            self._spawn(self.outbox.batch("feedback", truths))

    async def _say(self, post: Post) -> None:
        await self.outbox.feedback(post.body)
        if post.again:
            changed = {"metadata": {"attempt": 2}} if post.again == "other" else {}
            self._plan(Post(AGAIN_AFTER_S, {**post.body, **changed}))

    def _spawn(self, sending: Any) -> None:
        task = asyncio.create_task(sending)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _finish(self) -> None:
        """No new answers; users finish what they were going to say."""
        ends = time.monotonic() + 15
        while (self._due or self._sending) and time.monotonic() < ends:
            self._send_due(time.monotonic())
            await asyncio.sleep(0.05)
        await asyncio.gather(*self._sending)


def accuracy(model: Any, inputs: list[dict[str, Any]], labels: list[str]) -> float:
    """The share of inputs that a model answers with their label, to 4 places."""
    answers = model.predict(inputs)
    return round(sum(str(answer) == label for (answer, _), label in zip(answers, labels, strict=True)) / len(labels), 4)


def counts_event(app: ServingApp) -> dict[str, Any]:
    """What was sent so far, as an event for the one who started the app."""
    return {"event": "counts", "counts": {kind: dict(counted) for kind, counted in app.outbox.counts.items()}}


def speak(message: dict[str, Any]) -> None:
    """One JSON line on stdout."""
    print(json.dumps(message), flush=True)
