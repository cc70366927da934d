"""The app itself: scans images, answers with the champion, logs each answer, lets its users speak."""

import asyncio
import heapq
import itertools
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from examples.digits_app import images
from examples.digits_app.outbox import Outbox
from examples.digits_app.users import Answer, Post, feedback_on
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


@dataclass
class Plan:
    """How the app behaves: the drift comes `drift_after_s` after the first answer, or never."""

    model_name: str
    rate: float
    seed: int
    drift_after_s: float | None


@dataclass
class DigitsApp:
    """One scanner, one served model, an outbox, and what is still to be posted."""

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
        self.split = images.split()
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

    def measure(self) -> dict[str, dict[str, float]]:
        """Accuracy of every version served so far on the images never scanned before, by both scanners."""
        unseen = self.split.unseen
        random = np.random.default_rng(self.plan.seed + 1)
        scans = {
            "old_scanner": images.scan(unseen.pixels, random),
            "new_scanner": images.scan_with_other_scanner(unseen.pixels, random),
        }
        return {
            version: {name: _accuracy(model, pixels, unseen.labels) for name, pixels in scans.items()}
            for version, model in list(self.models.items())  # a new champion may come while this is measured
        }

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

    def _answer(self, count: int) -> None:
        """Scans `count` images, answers them at once, and plans what the users will say."""
        if not count:
            return
        part, scan = self.split.before_drift, images.scan
        if self.has_drifted:
            part, scan = self.split.after_drift, images.scan_with_other_scanner
        chosen = self.random.integers(len(part), size=count)
        pixels = scan(part.pixels[chosen], self.random)
        version, started = self.served.version, time.perf_counter()
        answers = self.served.model.predict([{"pixels": row} for row in pixels.tolist()])
        took_ms = (time.perf_counter() - started) * 1000 / count
        bodies = []
        beside = self._beside(pixels)
        for row, which, (label, probabilities), others in zip(pixels, chosen, answers, beside, strict=True):
            body = self._inference(version, row, label, probabilities, took_ms)
            body["outputs"] += others
            answer = Answer(body["inference_request_id"], self.plan.model_name, version, str(label), part.labels[which])
            for post in feedback_on(answer, self.random):
                self._plan(post)
            bodies.append(body)
        late = [body for body in bodies if self.random.random() < LATE_INFERENCES]
        self._spawn(self.outbox.batch("inference", [body for body in bodies if body not in late]))
        for body in late:  # its feedback will be there first
            self._plan(Post(LATE_BY_S, {"late_inference": body}))

    def _beside(self, pixels: np.ndarray) -> list[list[dict[str, Any]]]:
        """What the shadow answers, where there is one: logged beside the champion's answer, and given to nobody."""
        version, shadow = self.served.shadow_version, self.served.shadow
        if shadow is None:
            return [[] for _ in pixels]
        answers = shadow.predict([{"pixels": row} for row in pixels.tolist()])
        told = {"output_id": "shadow", "model_version": version}
        return [[{**told, "content": {"label": label}}] for label, _ in answers]

    def _inference(
        self, version: str, row: np.ndarray, label: Any, probabilities: dict[Any, float], took_ms: float
    ) -> dict[str, Any]:
        shares = [round(float(share), 6) for share in probabilities.values()]
        output = {"output_id": "A", "content": {"label": label}, "score": max(shares), "probabilities": shares}
        return {
            "inference_request_id": f"scan-{uuid.uuid4()}",
            "model_name": self.plan.model_name,
            "model_version": version,
            "occurred_at": now().isoformat(),
            "inputs": {"pixels": [int(value) for value in row]},
            "outputs": [output],
            "chosen_output_id": "A",
            "latency_ms": round(took_ms, 3),
        }

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


def _accuracy(model: Any, pixels: np.ndarray, labels: list[str]) -> float:
    answers = model.predict([{"pixels": row} for row in pixels.tolist()])
    return round(sum(str(answer) == label for (answer, _), label in zip(answers, labels, strict=True)) / len(labels), 4)


def counts_event(app: DigitsApp) -> dict[str, Any]:
    """What was sent so far, as an event for the one who started the app."""
    return {"event": "counts", "counts": {kind: dict(counted) for kind, counted in app.outbox.counts.items()}}


def speak(message: dict[str, Any]) -> None:
    """One JSON line on stdout."""
    print(json.dumps(message), flush=True)
