"""Posts batches to the API until each has an answer, counts what became of each event, keeps when it was durable."""

import threading
from collections import Counter
from datetime import datetime
from typing import Any, Literal

import httpx

from feedback_cli.demo.ledger import Entry
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.errors import FeedbackError

PATHS = {"inference": "/v1/inferences/batch", "feedback": "/v1/feedback/batch"}
ID_FIELDS = {"inference": "inference_request_id", "feedback": "feedback_id"}
STORED = ("accepted", "duplicate", "conflict")
BATCH_EVENTS = 500
GIVE_UP_S = 60.0
PAUSE_S = 0.2


class ApiWentAway(FeedbackError):
    """The API did not answer for a minute; see its log."""


class BatchSender:
    """A sender on one connection pool; safe to use from several threads."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30.0, trust_env=False)
        self._lock = threading.Lock()
        self._pause = threading.Event()
        self.counts: dict[str, Counter[str]] = {kind: Counter() for kind in PATHS}
        self.ledger: list[Entry] = []

    def send(self, kind: Literal["inference", "feedback"], bodies: list[dict[str, Any]]) -> None:
        """Sends `bodies` in order; raises ApiWentAway when no answer comes for GIVE_UP_S seconds."""
        for first in range(0, len(bodies), BATCH_EVENTS):
            self._send(kind, bodies[first : first + BATCH_EVENTS])

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _send(self, kind: str, bodies: list[dict[str, Any]]) -> None:
        ends, was_unclear = monotonic_s() + GIVE_UP_S, False
        while True:
            try:
                response = self._http.post(PATHS[kind], json={"events": bodies})
                if response.status_code in (201, 207):
                    return self._book(kind, bodies, response.json()["results"], was_unclear)
                if response.status_code < 500 and response.status_code != 429:
                    return self._book(kind, bodies, [{"status": "refused"}] * len(bodies), was_unclear)
            except httpx.TransportError:
                pass
            was_unclear = True
            if monotonic_s() > ends:
                raise ApiWentAway(f"the API did not answer {PATHS[kind]} within {GIVE_UP_S:.0f} s; see logs/api.log")
            self._pause.wait(PAUSE_S)

    def _book(self, kind: str, bodies: list[dict[str, Any]], results: list[dict[str, Any]], was_unclear: bool) -> None:
        durable_at = utc_now()
        with self._lock:
            for body, result in zip(bodies, results, strict=True):
                status = result["status"] if result["status"] in STORED else "refused"
                # Stored by an attempt whose answer was lost: to us it is the first acceptance.
                status = "accepted" if was_unclear and status == "duplicate" else status
                self.counts[kind][status] += 1
                if status == "accepted":
                    occurred_at = datetime.fromisoformat(body["occurred_at"])
                    request = body["inference_request_id"]
                    self.ledger.append(Entry(kind, body[ID_FIELDS[kind]], request, occurred_at, durable_at, None))
