"""The Python client and the real server mean the same: every method is accepted, every answer understood."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from feedback_client import (
    AsyncFeedbackClient,
    Blocked,
    Conflict,
    FeedbackClient,
    Problem,
    Receipt,
    Refused,
    build,
    new_id,
)

from feedback_ingest.feedback_types import collect
from tests.clients.conftest import PACKAGE, ROOT, Api

SAYABLE: dict[str, Any] = {
    "explicit_correction": build.correction("r", corrected_label=7, reason_codes=["wrong"]),
    "explicit_rating": build.rating("r", 0.5, scale_min=0, scale_max=1, comment="close"),
    "explicit_binary": build.thumb("r", False, reason_codes=["outdated"], corrected_text="It moved."),
    "explicit_label": build.label("r", labels=["red", "round"]),
    "explicit_comment": build.comment("r", "日本語 and 🙂"),
    "explicit_ranking": build.ranking("r", [["A", "B"], "C"]),
    "preference_pair": build.preference("r", "A", "B", strength=0.5),
    "implicit_click": build.click("r", "doc-7", position=2, dwell_ms=5300, clicked=False),
    "implicit_signal": build.signal("r", "dwell_time", 41.5, unit="s"),
    "exposure": build.exposure("r", [{"item_id": "doc-7", "position": 0}]),
    "ground_truth": build.ground_truth("r", False),
    "reward": build.reward("r", -0.5, terminal=True),
    "safety_flag": build.safety_flag("r", "self_harm", 4),
    "retraction": build.retract("r", new_id(), reason="slipped"),
}


@pytest.fixture
def client(api: Api) -> Any:
    """A client of the running API."""
    with FeedbackClient(api.url, api.key, model_version="7") as made:
        yield made


def test_there_is_a_method_for_every_feedback_type() -> None:
    """What the server knows the client can say; only the review gateway's own type has no method."""
    assert set(SAYABLE) == set(collect()) - {"review_label"}


@pytest.mark.parametrize("feedback_type", SAYABLE)
def test_every_method_is_accepted(api: Api, client: FeedbackClient, feedback_type: str) -> None:
    """What a method builds the server stores, and what is stored is what was said."""
    receipt = client.send_now(SAYABLE[feedback_type])

    (stored,) = [event for event in api.stored() if event["feedback_id"] == receipt.id]
    assert receipt.status == "accepted"
    assert stored["feedback_type"] == feedback_type
    assert stored["feedback_value"] == SAYABLE[feedback_type]["feedback_value"]


def test_the_whole_envelope_is_accepted(client: FeedbackClient) -> None:
    """Every keyword of the envelope has a form the server takes."""
    receipt = client.now.thumb(
        "req-1",
        True,
        model_name="tickets",
        metric="satisfaction",
        target={"output_id": "A", "start": 0, "end": 4},
        user_context={"locale": "de-AT", "segments": {"plan": "pro"}, "consent": {"training": True}},
        user_id="u-17",
        session_id="s-4",
        source={"kind": "end_user", "id": "widget"},
        confidence=0.5,
        pass_probability=0.1,
        rationale="because",
        supersedes=new_id(),
        episode_id="e-1",
        step=0,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tags={"team": "search"},
        metadata={"anything": [1, None, {"deep": True}]},
    )

    assert receipt.status == "accepted"


def test_the_answers_are_understood(client: FeedbackClient) -> None:
    """Stored, known, other content, not the contract: a receipt, a receipt, Conflict, Refused with the pointer."""
    feedback_id = new_id()

    first = client.now.rating("req-1", 4, feedback_id=feedback_id)
    again = client.now.rating("req-1", 4, feedback_id=feedback_id)
    with pytest.raises(Conflict, match="feedback-id-conflict"):
        client.now.rating("req-1", 5, feedback_id=feedback_id)
    with pytest.raises(Refused, match="validation-failed") as refused:
        client.now.rating("req-1", 99)

    assert (first.status, again.status) == ("accepted", "duplicate")
    assert first.offset == again.offset
    assert [(e.pointer, e.code) for e in refused.value.problem.errors] == [("/feedback_value/score", "out-of-range")]


def test_a_batch_is_answered_event_by_event(client: FeedbackClient) -> None:
    """A 207 of the real server: good neighbours stored, the others told with code and pointer."""
    known = new_id()
    client.now.rating("req-1", 1, feedback_id=known)
    events = [
        build.rating("req-1", 4),
        build.rating("req-1", 99),
        build.rating("req-1", 5, feedback_id=known),
        build.rating("req-1", 1, feedback_id=known),
        {**build.rating("req-1", 3), "feedback_type": "no_such_type"},
    ]

    outcomes = client.send_batch(events, inferences=[build.log_inference("req-1", "cat", probabilities=[1.0])])

    told = [outcome.status if isinstance(outcome, Receipt) else outcome.problem.code for outcome in outcomes]
    refused = "validation-failed"
    assert told == ["accepted", "accepted", refused, "feedback-id-conflict", "duplicate", refused]


@pytest.mark.parametrize("poison", [{"metadata": {1: "a", "1": "b"}}, {"metadata": {"x": 10**400}}])
def test_one_event_the_server_cannot_read_is_told_alone(api: Api, poison: dict[str, Any]) -> None:
    """JSON that the server refuses as a whole body costs the event, not its batch."""
    told: list[Problem] = []
    with FeedbackClient(
        api.url, api.key, model_version="7", linger=0.5, on_refused=lambda event, problem: told.append(problem)
    ) as client:
        for number in range(20):
            client.rating(f"req-{number}", 3, **(poison if number == 7 else {}))
        client.flush(30)
        stats = client.stats()

    assert len(told) == 1
    assert (stats.accepted, stats.refused) == (19, 1)


def test_a_wrong_key_is_said(api: Api) -> None:
    """A key the server does not know blocks, and that is what the caller hears."""
    with (
        FeedbackClient(api.url, "fk_dev_0000000000000000_" + "a" * 43, model_version="7") as client,
        pytest.raises(Blocked, match="unauthenticated"),
    ):
        client.now.thumb("req-1", True)


def test_the_largest_batches_are_taken(api: Api) -> None:
    """1,000 events and nearly 4 MiB a request are within the server's limits."""
    settings: dict[str, Any] = {"model_version": "7", "batch_events": 1_000, "batch_bytes": 4 * 1024 * 1024 - 64}
    with FeedbackClient(api.url, api.key, linger=5, queue_events=5_000, **settings) as client:
        for number in range(2_000):
            client.comment(f"req-{number}", "x" * 3_700)
        flushed = client.flush(60)
        stats = client.stats()

    assert flushed
    assert (stats.accepted, stats.retries) == (2_000, 0)
    assert stats.requests <= 4


def test_the_asyncio_client_means_the_same(api: Api) -> None:
    """Queued and sent at once, in an event loop."""

    async def main() -> tuple[Receipt, int]:
        async with AsyncFeedbackClient(api.url, api.key, model_version="7") as client:
            receipt = await client.now.log_inference(answer={"label": "cat"}, inputs={"pixels": [1, 2]})
            await client.correction(receipt.id, corrected_label="dog")
            await client.flush(30)
            return receipt, client.stats().accepted

    receipt, accepted = asyncio.run(main())

    assert (receipt.status, accepted) == ("accepted", 1)


def _blocks(language: str) -> list[str]:
    readme = (ROOT / "clients" / "python" / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("place", range(len(_blocks("python"))))
def test_the_readme_works_as_pasted(api: Api, place: int, tmp_path: Path) -> None:
    """Every Python block of the client's README runs to its end against a running server."""
    environment = {"FEEDBACK_URL": api.url, "FEEDBACK_KEY": api.key, "PYTHONPATH": str(PACKAGE)}

    ended = subprocess.run(
        [sys.executable, "-c", _blocks("python")[place]],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
