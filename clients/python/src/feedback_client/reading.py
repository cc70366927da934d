"""Reads what a project has: its log in order, and its training queue, an example at a time or in batches."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Any, Self

import httpx

from feedback_client._asking import Asker
from feedback_client._options import options
from feedback_client._records import Example, LogEvent, Transition, example_of, transition_of
from feedback_client.errors import RequestFailed

WAIT_S = 20.0
LEAVING_S = 5.0
PAGE = 1_000


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

    def replayed(
        self,
        model_name: str,
        *,
        buffer: str = "uniform",
        count: int = 256,
        seed: int = 0,
        steps: int = 1,
        gamma: float = 0.99,
        **options: float,
    ) -> Iterator[list[Transition]]:
        """Batches of what happened, to learn from again, without end; the same ones for the same seed and snapshot.

        `buffer` is fifo, uniform, prioritised or stratified_reservoir; `options` are `alpha` and `beta` of prioritised
        replay. Batch n is drawn with the seed `seed` + n.
        """
        wanted = {"model_name": model_name, "buffer": buffer, "count": count, "steps": steps, "gamma": gamma, **options}
        while True:
            told = self._asker.ask("POST", "/v1/replay-buffer/sample", body={**wanted, "seed": seed})
            yield [transition_of(one) for one in told["transitions"]]
            seed += 1

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
            examples = [example_of(told) for told in claim["examples"]]
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
                yield example_of(told)
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
