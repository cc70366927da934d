"""The ledger: what clients sent and were told, held against what the log has; every run ends with that comparison."""

import http.client
import itertools
import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text

from feedback_ingest.postgres import Database
from tests.support.waiting import wait_for

ACKNOWLEDGED = ("accepted", "duplicate")
TIMEOUT_S = 15.0


@dataclass
class Findings:
    """What is wrong; nothing is, when `found` is empty."""

    lost: int = 0
    doubled: int = 0
    changed: int = 0
    invented: int = 0
    gaps: int = 0
    strange: list[str] = field(default_factory=list)

    @property
    def found(self) -> dict[str, Any]:
        """What is not zero."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass
class Ledger:
    """What was said and heard. An event's `number` names it by its content, whatever its id."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    seconds: list[tuple[float, float, int]] = field(default_factory=list)
    """When a request began, how long it took, and its status (0: no answer)."""

    def check(self, database: Database) -> Findings:
        """Compares with the log: acknowledged is stored, once, unchanged, at the offset told; offsets have no gap."""
        database.engine.dispose()
        with database.engine.connect() as connection:
            rows = connection.execute(text("SELECT log_offset, kind, body FROM staging.feedback_events")).all()
        offsets = sorted(row.log_offset for row in rows)
        stored = [(row.log_offset, json.loads(row.body)) for row in rows if row.kind == "feedback"]
        places: dict[str, list[int]] = {}
        findings = Findings(strange=self.strange[:5])
        for offset, body in stored:
            number = body.get("metadata", {}).get("number", "?")
            places.setdefault(number, []).append(offset)
            sent = self.said.get(number)
            findings.invented += sent is None
            findings.changed += sent is not None and sent != body
        findings.doubled = sum(len(at) - 1 for at in places.values())
        findings.lost = sum(offset not in places.get(number, ()) for number, offset in self.acknowledged.items())
        findings.gaps = sum(after - before != 1 for before, after in itertools.pairwise(offsets))
        return findings


def event(number: str, **fields: Any) -> dict[str, Any]:
    """A valid event that is known by `number` and has an id of the client's."""
    return {
        "feedback_id": str(uuid.uuid4()),
        "inference_request_id": f"req-{number}",
        "model_version": "1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
        "metadata": {"number": number},
    } | fields


def sent(one: dict[str, Any]) -> bytes:
    """An event as it is sent."""
    return json.dumps(one).encode()


class Clients:
    """Threads that send mixed batches, each again with the same ids until it is answered."""

    def __init__(
        self, urls: list[str], key: str, threads: int = 4, batch: int = 10, pause_s: float = 0.01, mixed: bool = True,
        retry_s: float = 0.02,
    ) -> None:  # fmt: skip
        self.ledger = Ledger()
        self._retry_s = retry_s
        self._urls, self._key, self._batch, self._pause_s, self._mixed = urls, key, batch, pause_s, mixed
        self._stop, self._give_up = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(threads)]

    def start(self) -> "Clients":
        """Begins to send."""
        for thread in self._threads:
            thread.start()
        return self

    def more(self, count: int, deadline_s: float = 30) -> None:
        """Returns once `count` more events are acknowledged."""
        goal = len(self.ledger.acknowledged) + count
        try:
            wait_for(lambda: len(self.ledger.acknowledged) >= goal, deadline_s, f"{count} more acknowledged events")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.ledger.statuses} {self.ledger.strange[:5]}") from None

    def end(self, patience_s: float = 20) -> Ledger:
        """Ends once every batch on its way is answered, at the latest after `patience_s`."""
        self._stop.set()
        ends = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        self._give_up.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S + 5)
        return self.ledger

    def _run(self, number: int) -> None:
        chance, wire = random.Random(number), Wire(self._urls[number % len(self._urls) :] + self._urls, self._key)
        own: list[dict[str, Any]] = []
        for turn in itertools.count():
            if self._stop.is_set():
                break
            batch = [self._item(f"{number}-{turn}-{place}", own, chance) for place in range(self._batch)]
            self._deliver(wire, batch, own)
            time.sleep(self._pause_s)
        wire.close()

    def _item(self, number: str, own: list[dict[str, Any]], chance: random.Random) -> tuple[str, dict[str, Any]]:
        die = chance.random() if own and self._mixed else 1.0
        if die < 0.06:
            return "duplicate", chance.choice(own)
        if die < 0.10:
            return "conflict", chance.choice(own) | {"feedback_value": {"positive": False}}
        if die < 0.14:
            return "refused", event(number, feedback_value={"positive": 7})
        new = event(number)
        self.ledger.said[number] = new
        return "accepted", new

    def _deliver(self, wire: "Wire", batch: list[tuple[str, dict[str, Any]]], own: list[dict[str, Any]]) -> None:
        body = json.dumps({"events": [item for _, item in batch]}).encode()
        again = False
        while not self._give_up.is_set():
            began = time.monotonic()
            status, answer = wire.post("/v1/feedback/batch", body)
            self.ledger.statuses[status] += 1
            self.ledger.seconds.append((began, time.monotonic() - began, status))
            if status in (201, 207):
                self._note(batch, answer["results"], again, own)
                return
            if status == 503 and "retry-after" not in wire.headers:
                self.ledger.strange.append("a 503 without Retry-After")
            if status not in (0, 503):
                self.ledger.strange.append(f"status {status} for a batch")
                return
            again = True
            time.sleep(self._retry_s)

    def _note(
        self, batch: list[tuple[str, Any]], results: list[dict[str, Any]], again: bool, own: list[dict[str, Any]]
    ) -> None:
        for (wanted, item), result in zip(batch, results, strict=True):
            status, number = result["status"], item["metadata"]["number"]
            self.ledger.outcomes[status] += 1
            if status != wanted and not (again and (wanted, status) == ("accepted", "duplicate")):
                self.ledger.strange.append(f"{status} instead of {wanted}")
            if status in ACKNOWLEDGED:
                known = self.ledger.acknowledged.setdefault(number, result["offset"])
                if known != result["offset"]:
                    self.ledger.strange.append("two offsets for one event")
                if wanted == "accepted":
                    own.append(item)


class Wire:
    """One connection kept open; another address is tried when there is none."""

    def __init__(self, urls: list[str], key: str, timeout_s: float = TIMEOUT_S) -> None:
        self._urls = itertools.cycle(dict.fromkeys(urls))
        self._timeout_s = timeout_s
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None
        self.headers: dict[str, str] = {}

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        """Status and answer; 0 when there was no whole answer."""
        try:
            if self._connection is None:
                parts = urlsplit(next(self._urls))
                self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=self._timeout_s)
            self._connection.request("POST", path, body, self._headers | headers)
            answer = self._connection.getresponse()
            self.headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return 0, {}

    def close(self) -> None:
        """Lets the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
