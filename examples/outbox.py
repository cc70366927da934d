"""Sends events over HTTP until each has an answer, counts what the answers said, remembers when each was durable."""

import asyncio
import json
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

STATUS_OF_CODE = {200: "duplicate", 201: "accepted", 409: "conflict"}
GIVE_UP_S = 60.0
CONNECTIONS = 16


class Outbox:
    """One HTTP client; an event that got no clear answer is sent again under its own id, which is always safe."""

    def __init__(self, url: str, key: str, ledger: Path) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=30.0, trust_env=False)
        self._turn = asyncio.Semaphore(CONNECTIONS)
        self._ledger = ledger.open("w")
        self.counts: dict[str, Counter[str]] = {"inference": Counter(), "feedback": Counter()}

    async def close(self) -> None:
        """Closes the connection and the ledger."""
        await self._http.aclose()
        self._ledger.close()

    async def feedback(self, body: dict[str, Any]) -> None:
        """Posts one feedback and counts accepted, duplicate, conflict or refused."""
        response, was_unclear = await self._post("/v1/feedback", body)
        status = STATUS_OF_CODE.get(response.status_code, "refused")
        # Stored by an attempt whose answer was lost: to us it is the first acceptance, not a second sending.
        status = "accepted" if was_unclear and status == "duplicate" else status
        self.counts["feedback"][status] += 1
        if status == "accepted" and not was_unclear:
            self._remember("feedback", response, body, response.json()["received_at"])

    async def batch(self, kind: str, bodies: list[dict[str, Any]]) -> None:
        """Posts many inferences or feedback in one request and counts what became of each."""
        path = "/v1/inferences/batch" if kind == "inference" else "/v1/feedback/batch"
        response, was_unclear = await self._post(path, {"events": bodies})
        if response.status_code not in (201, 207):
            self.counts[kind]["refused"] += len(bodies)
            return
        for result, body in zip(response.json()["results"], bodies, strict=True):
            status = result["status"] if result["status"] in STATUS_OF_CODE.values() else "refused"
            status = "accepted" if was_unclear and status == "duplicate" else status
            self.counts[kind][status] += 1
            if status == "accepted" and not was_unclear:
                self._remember(kind, response, body, result["received_at"])

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[httpx.Response, bool]:
        was_unclear, ends = False, time.monotonic() + GIVE_UP_S
        while True:
            try:
                async with self._turn:
                    response = await self._http.post(path, json=body)
                if response.status_code not in (429, 500, 502, 503, 504):
                    return response, was_unclear
                pause_s = float(response.headers.get("Retry-After", 0.2))
            except httpx.TransportError:
                pause_s = 0.2
            was_unclear = True
            if time.monotonic() > ends:
                raise SystemExit(f"the API did not answer {path} within {GIVE_UP_S:.0f} s")
            await asyncio.sleep(pause_s)

    def _remember(self, kind: str, response: httpx.Response, body: dict[str, Any], received_at: str) -> None:
        """Durable = received + what the server says the commit took."""
        duration_ms = durable_ms(response.headers.get("Server-Timing", ""))
        received = datetime.fromisoformat(received_at)
        entry = {
            "kind": kind,
            "id": body["feedback_id"] if kind == "feedback" else body["inference_request_id"],
            "inference_request_id": body["inference_request_id"],
            "occurred_at": body["occurred_at"],
            "durable_at": (received + timedelta(milliseconds=duration_ms or 0)).isoformat(),
            "received_to_durable_ms": duration_ms,
        }
        self._ledger.write(json.dumps(entry) + "\n")


def durable_ms(server_timing: str) -> float | None:
    """Milliseconds out of `durable;dur=1.8`; None when the header does not say.

    >>> durable_ms("parse;dur=0.1, durable;dur=1.8")
    1.8
    """
    for metric in server_timing.split(","):
        name, _, duration = metric.strip().partition(";dur=")
        if name == "durable" and duration:
            return float(duration)
    return None
