"""Reads what a project has: its log in order, and its training queue, an example at a time or in batches."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from feedback_client._asking import Asker
from feedback_client._options import options
from feedback_client.errors import RequestFailed

WAIT_S = 20.0
LEAVING_S = 5.0
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A fact as it stands in the log: `body` is the event as it was sent; times are RFC 3339 text."""

    offset: int
    kind: str
    id: str
    received_at: str
    occurred_at: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """Something to learn from: what went in, what was answered, and what it should have been or was worth.

    `label` and `reward` are what the feedback said, where it did; `weight` is the inverse of the share of events that
    the client sampled; `details` holds the answer, preferences, and what enrichment added. `attempt` counts how often
    it was handed out, `offset` and `ready_offset` are its places in the log and in the queue.
    """

    feedback_id: str
    inputs: Any
    label: str | int | bool | list[Any] | None
    reward: float | None
    weight: float
    details: dict[str, Any]
    model_name: str
    model_version: str
    inference_request_id: str
    occurred_at: str
    offset: int
    ready_offset: int
    attempt: int


class FeedbackReader:
    """Reads a project's log and its training queue; for one thread. The key needs the scope `read`.

    Use it as a `with` block, or call `close`. Everything that fails in passing is tried again, for `give_up_after`
    seconds (None: for ever); what does not is raised as RequestFailed.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 10.0,
        give_up_after: float | None = None,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        trust_env: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`url` and `key` default to FEEDBACK_URL and FEEDBACK_KEY; raises ConfigurationError."""
        given = options(
            url,
            key,
            {"timeout": timeout, "verify": verify, "proxy": proxy, "trust_env": trust_env, "transport": transport},
        )
        self._asker = Asker(given, give_up_after)

    def read_log(
        self,
        start: str = "earliest",
        *,
        kinds: Sequence[str] = (),
        follow: bool = False,
        consumer: str | None = None,
    ) -> Iterator[LogEvent]:
        """The events from `start` on (earliest, latest, offset:N, ts:…, last:24h), in order, none left out.

        With `follow` it waits at the end for more, for ever. With `consumer` the server keeps the place: reading goes
        on behind it (and at `start` the first time), and it is committed once the bodies of a page's events are done.
        """
        known = self._asker.ask("GET", f"/v1/consumers/{consumer}", missing=True) if consumer else None
        place = f"offset:{known['next_offset']}" if known else start
        while True:
            params = {
                "from": place,
                "limit": PAGE,
                "kinds": list(kinds),
                "wait_ms": int(WAIT_S * 1000) if follow else 0,
            }
            page = self._asker.ask("GET", "/v1/log", params=params, wait=WAIT_S if follow else 0.0)
            yield from self._told(page, consumer)
            if page["next_offset"] > page["head"] and not follow:
                return
            place = f"offset:{page['next_offset']}"

    def training_queue(self, group: str = "default", *, model_name: str | None = None) -> "TrainingQueue":
        """The queue as a group of trainers has it: of all models, or of one."""
        return TrainingQueue(self._asker, group, model_name)

    def close(self) -> None:
        """Closes the connection."""
        self._asker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _told(self, page: dict[str, Any], consumer: str | None) -> Iterator[LogEvent]:
        done, is_whole = None, False
        try:
            for event in page["events"]:
                yield LogEvent(**event)
                done = event["offset"]
            done, is_whole = page["next_offset"] - 1, True
        finally:
            if consumer and done is not None:
                with nullcontext() if is_whole else suppress(RequestFailed):  # else it is read again
                    within = None if is_whole else LEAVING_S
                    self._asker.ask("PUT", f"/v1/consumers/{consumer}", body={"offset": done}, within=within)


class TrainingQueue:
    """Examples for a trainer: each goes to one worker of the group, and to another one if it is not acknowledged."""

    def __init__(self, asker: Asker, group: str, model_name: str | None) -> None:
        self._asker = asker
        self._terms: dict[str, Any] = {"group": group, "worker": f"{socket.gethostname()[:200]}-{os.getpid()}"}
        self._model_name = model_name

    def examples(
        self,
        *,
        start: str = "earliest",
        follow: bool = True,
        limit: int = 100,
        lease: int = 60,
        on_withdrawn: Callable[[list[str]], object] | None = None,
    ) -> Iterator[Example]:
        """One example after another, oldest first; an example is acknowledged once the body of the loop is done.

        `limit` are claimed at a time, for `lease` seconds: choose it so that the bodies of so many are done by then.
        What is left when the loop ends, or its body raises, goes back at once. Without `follow` it ends with the queue.
        `start` counts for a group's first claim. `on_withdrawn` hears of feedback that was taken back while it was out.
        """
        for claim in self._claims(start, follow, limit, lease):
            yield from self._lent(claim, on_withdrawn)

    def batches(
        self,
        *,
        start: str = "earliest",
        follow: bool = True,
        limit: int = 100,
        lease: int = 60,
        on_withdrawn: Callable[[list[str]], object] | None = None,
    ) -> Iterator[list[Example]]:
        """Up to `limit` examples at a time; a batch is acknowledged once the body of the loop is done with it."""
        for claim in self._claims(start, follow, limit, lease):
            examples = [_example(told) for told in claim["examples"]]
            is_done = False
            try:
                yield examples
                is_done = True
            finally:
                self._settle(claim, [one.feedback_id for one in examples] if is_done else [], on_withdrawn)

    def replay(self, start: str) -> None:
        """Has the whole group handed out everything again that became ready at `start` or later."""
        self._asker.ask("POST", "/v1/training-queue/replay", body={"group": self._terms["group"], "from": start})

    def _claims(self, start: str, follow: bool, limit: int, lease: int) -> Iterator[dict[str, Any]]:
        wanted = {**self._terms, "limit": limit, "lease_s": lease, "from": start}
        wanted |= {"wait_ms": int(WAIT_S * 1000) if follow else 0}
        wanted |= {"model_name": self._model_name} if self._model_name else {}
        while True:
            claim = self._asker.ask("POST", "/v1/training-queue/claim", body=wanted, wait=WAIT_S if follow else 0.0)
            if claim["examples"]:
                yield claim
            elif not follow:
                return

    def _lent(self, claim: dict[str, Any], on_withdrawn: Callable[[list[str]], object] | None) -> Iterator[Example]:
        done: list[str] = []
        try:
            for told in claim["examples"]:
                yield _example(told)
                done.append(told["feedback_id"])
        finally:
            self._settle(claim, done, on_withdrawn)

    def _settle(
        self, claim: dict[str, Any], done: list[str], on_withdrawn: Callable[[list[str]], object] | None
    ) -> None:
        about = {"group": claim["group"], "claim_id": claim["claim_id"]}
        is_whole = len(done) == len(claim["examples"])
        with nullcontext() if is_whole else suppress(RequestFailed):  # the loop ends; what is not told, its lease ends
            within = None if is_whole else LEAVING_S
            if done:
                told = self._asker.ask(
                    "POST", "/v1/training-queue/ack", body={**about, "feedback_ids": done}, within=within
                )
                if told["withdrawn"] and on_withdrawn is not None:
                    on_withdrawn(told["withdrawn"])
            if not is_whole:
                self._asker.ask("POST", "/v1/training-queue/release", body=about, within=within)


def _example(told: dict[str, Any]) -> Example:
    details = told["example"]
    return Example(
        feedback_id=told["feedback_id"],
        inputs=details.get("inputs"),
        label=told["label"],
        reward=told["reward"],
        weight=told["weight"],
        details=details,
        model_name=told["model_name"],
        model_version=told["model_version"],
        inference_request_id=told["inference_request_id"],
        occurred_at=told["occurred_at"],
        offset=told["offset"],
        ready_offset=told["ready_offset"],
        attempt=told["attempt"],
    )
