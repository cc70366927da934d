"""How many events a second the background client delivers: `python throughput.py --url URL --key KEY`."""

import argparse
import json
import statistics
import tempfile
import time
from typing import Any

import httpx
from feedback_client import FeedbackClient, build, new_id

WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "batches_of_1000": {"batch_events": 1_000},
    "no_gzip": {"gzip_above": None},
    "spool": {"spool": True},
    "spool_never_synced": {"spool": True, "spool_fsync": "never"},
}


def measure(url: str, key: str, events: int, settings: dict[str, Any]) -> dict[str, float]:
    """Events a second from the first `send` to the end of `flush`; and seconds of this process's CPU per 1,000."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = settings | ({"spool": folder} if settings.get("spool") else {})
        with FeedbackClient(
            url, key, model_version="7", queue_events=50_000, block_timeout=60, close_timeout=60, **chosen
        ) as client:
            began, cpu = time.perf_counter(), time.process_time()
            for number in range(events):
                client.rating(f"req-{number}", 1 + number % 5, user_id=f"u-{number % 100}", comment="as expected")
            queued = time.perf_counter() - began
            assert client.flush(300)
            spent = time.perf_counter() - began
            stats = client.stats()
            assert stats.accepted == events, stats
    return {
        "events_s": events / spent,
        "send_us": queued / events * 1e6,
        "cpu_s_per_1000": (time.process_time() - cpu) / events * 1_000,
    }


def bare(url: str, key: str, events: int) -> dict[str, float]:
    """The same events, ready in batches of 500 before the clock starts, posted one after the other: the ceiling."""
    said = [
        {
            **build.rating(f"req-{number}", 1 + number % 5, user_id=f"u-{number % 100}", comment="as expected"),
            "model_version": "7",
            "feedback_id": new_id(),
        }
        for number in range(events)
    ]
    bodies = [json.dumps({"events": said[at : at + 500]}).encode() for at in range(0, events, 500)]
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        began, cpu = time.perf_counter(), time.process_time()
        for body in bodies:
            assert http.post("/v1/feedback/batch", content=body).status_code == 201
        spent = time.perf_counter() - began
    return {"events_s": events / spent, "send_us": 0.0, "cpu_s_per_1000": (time.process_time() - cpu) / events * 1_000}


def main() -> None:
    """Prints one JSON object: the median of the rounds for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    rounds = []
    for _ in range(told.rounds):
        rounds.append({"bare": bare(told.url, told.key, told.events)})
        rounds[-1] |= {way: measure(told.url, told.key, told.events, settings) for way, settings in WAYS.items()}
    medians = {
        way: {name: round(statistics.median(one[way][name] for one in rounds), 4) for name in rounds[0][way]}
        for way in rounds[0]
    }
    print(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
