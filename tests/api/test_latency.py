"""GET /v1/latency on a log of its own: what was noted when it happened, and why what is stuck is stuck."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session

from api.latency import told
from feedback_ingest import keys, log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_ingest.tables import Project
from feedback_loop.learning.latency import STAGES
from feedback_loop.stream import journeys
from feedback_loop.stream.process import catch_up
from tests.api.conftest import PEPPER, Client
from tests.stream.events import append, feedback, inference, pairs, truth, wipe
from tests.stream.test_routing import define

PEPPERED = Pepper(PEPPER.encode())
AT_ONCE = dict.fromkeys(STAGES, 0.000_001)


@pytest.fixture
def empty(database: Database) -> Iterator[Database]:
    """The module's database with an empty log."""
    wipe(database)
    yield database


def fact(kind: str, **body: Any) -> Fact:
    """A decision about the model `digits`."""
    return Fact(1, kind, f"{kind}-{len(body)}", {"model_name": "digits", **body}, utc_now())


def compiled(upto: int) -> Fact:
    """A dataset of the log up to an offset."""
    return fact("dataset_compiled", dataset_version="digits-2", log_offset=upto, rows=2, first_feedback_offset=1)


def now_in(database: Database, settings: Settings, **objectives: float) -> dict[str, Any]:
    """What is told of the project `default` where nothing may take any time, save as given."""
    settings = settings.model_copy(update={"latency_objectives_s": AT_ONCE | objectives, "golden_share": 0.0})
    with Session(database.engine) as session:
        return told(session, settings, 1, 3_600, None)


def stages(answer: dict[str, Any]) -> dict[str, int]:
    """How many events each stage rests on."""
    return {one["stage"]: one["events"] for one in answer["stages"]}


def test_the_whole_way_is_measured(client: Client, empty: Database, settings: Settings, make_key: Any) -> None:
    """From the door to a version that answers, from what was noted at each stage; for its own project only."""
    key = make_key("ingest", "read")
    event = {"inference_request_id": "i", "model_version": "m1", "feedback_type": "ground_truth"}
    client.post("/v1/inferences", key, inference("i").body)
    client.post("/v1/feedback", key, event | {"feedback_value": {"label": 3}})
    catch_up(empty, settings)
    trained = fact("model_trained", dataset_version="digits-2", model_version="digits-2", rows=2)
    append(empty, PEPPERED, compiled(2), trained, inference("j", version="digits-2"))
    catch_up(empty, settings)

    with Session(empty.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        stranger = keys.create(session, "elsewhere", ["read"], utc_now()).key
        session.commit()
    answer = client.get("/v1/latency", key).json()

    assert set(stages(answer).values()) == {1} and answer["events"] == 1 and not answer["is_sample"]
    assert [(one["model_version"], one["metric"]) for one in answer["models"]] == [("m1", "accuracy")]
    assert all(one["p50_ms"] < 20_000 for one in answer["stages"] if one["stage"] != "serving")
    assert {one["stage"]: one["objective_ms"] for one in answer["stages"]}["queued"] == 1000
    assert client.get("/v1/latency", stranger).json() | {"until": ""} == {
        **answer, "until": "", "events": 0, "models": [],
        "stages": [one | {"events": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None, "is_met": None}
                   for one in answer["stages"]],
    }  # fmt: skip
    assert client.get("/v1/latency?model_name=other", key).json()["events"] == 0
    assert client.get("/v1/latency?window_s=0", key).status_code == 422


def test_a_late_inference_is_part_of_the_way(empty: Database, settings: Settings) -> None:
    """Feedback that waited for its inference came to be attributed when the stream had read that."""
    append(empty, PEPPERED, truth("early", "i", 3))
    catch_up(empty, settings)
    waited = [one for one in now_in(empty, settings)["stuck"] if one["stage"] == "attributed"]
    append(empty, PEPPERED, inference("i"))
    catch_up(empty, settings)

    answer = now_in(empty, settings)

    with Session(empty.engine) as session:
        [first, second] = log.read(session, 0, 2)
    took_ms = next(one["p50_ms"] for one in answer["stages"] if one["stage"] == "attributed")
    assert [(one["reason"], one["events"], one["feedback_ids"]) for one in waited] == [
        ("its inference is not logged", 1, ("early",))
    ]
    assert took_ms >= (second.received_at - first.received_at).total_seconds() * 1000 - 100


def test_a_burst_is_sampled_all_over(empty: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came in a moment of a long window is as many slices as a whole window would be, not one."""
    monkeypatch.setattr(journeys, "MOST", 100)
    append(empty, PEPPERED, *pairs(0, 150))
    catch_up(empty, settings.model_copy(update={"stream_batch": 10}))

    with Session(empty.engine) as session:
        found, is_sample = journeys.journeys(session, 1, utc_now(), timedelta(days=7))

    assert is_sample and 15 <= len(found) <= 100
    assert max(one.log_offset for one in found) - min(one.log_offset for one in found) > 200


def test_what_is_stuck_says_why(empty: Database, settings: Settings) -> None:
    """Not read, not linked, not consented, undone, held, not compiled, not trained, refused: each at its stage."""
    define(empty, PEPPERED, {"route_id": "doubtful", "where": {"tags": {"doubt": "yes"}}, "hold": True})
    refusing = {"user_context": {"consent": {"training": False}}}
    append(
        empty, PEPPERED, inference("i"), truth("ok", "i", 3), truth("no", "i", 3, **refusing), truth("waits", "x", 1),
        truth("other", "i", 3, model_version="m9"), feedback("talk", "i", "explicit_comment", {"text": "hm"}),
        truth("gone", "i", 4), feedback("undo", "i", "retraction", {"retracts": "gone"}),
        truth("doubt", "i", 3, tags={"doubt": "yes"}),
        fact("retraining_suppressed", model_version="m1", reason="1 new label, it takes 150"),
    )  # fmt: skip
    catch_up(empty, settings)
    append(empty, PEPPERED, truth("unread", "i", 3))
    before = {(one["stage"], one["reason"]): one["feedback_ids"] for one in now_in(empty, settings)["stuck"]}

    append(empty, PEPPERED, compiled(12))
    untrained = now_in(empty, settings)["stuck"]
    append(
        empty, PEPPERED, fact("model_trained", dataset_version="digits-2", model_version="digits-2", rows=2),
        fact("model_refused", model_version="digits-2", dataset_version="digits-2", reasons=["not better"]),
    )  # fmt: skip
    refused = now_in(empty, settings)["stuck"]

    assert before == {
        ("attributed", "the stream has not come to it"): ("unread",),
        ("attributed", "its inference is not logged"): ("waits",),
        ("queued", "no consent to training"): ("no",),
        ("queued", "it names another model version than the logged inference, or is older than it"): ("other",),
        ("queued", "it was undone"): ("gone",),
        ("queued", "it is held by the route doubtful"): ("doubt",),
        ("in_dataset", "there is no dataset of digits yet: 1 new label, it takes 150"): ("ok",),
    }
    assert {frozenset(one) for one in refused} == {
        frozenset({"stage", "reason", "events", "since", "feedback_ids", "is_capped"})
    }
    assert ("trained", "no model was trained on digits-2") in {(one["stage"], one["reason"]) for one in untrained}
    assert ("serving", "digits-2 does not serve: the gate refused it: not better", 2) in {
        (one["stage"], one["reason"], one["events"]) for one in refused
    }
    assert now_in(empty, settings, **dict.fromkeys(STAGES, 3_600.0))["stuck"] == []
