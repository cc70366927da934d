"""Aggregates: what a model's metrics were in each window, asked once or followed as they change."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_ingest.tables import Project
from feedback_loop.stream.process import catch_up
from tests.api.conftest import PEPPER, Client
from tests.api.streams import OpenStream

MakeKey = Callable[..., str]
PATH = "/v1/aggregates"
BASE = utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
"""The tests' hour: the door takes nothing that is very old."""


class Told:
    """A model of the test's own, what is said of it, and what its aggregates are then."""

    def __init__(self, client: Client, key: str, database: Database) -> None:
        self.client, self.key, self.database = client, key, database
        self.model = f"m-{uuid.uuid4()}"
        self._number = 0

    def answer(self, second: int = 0, versions: tuple[str, ...] = (), **more: Any) -> str:
        """One inference; its id."""
        self._number += 1
        name = f"{self.model}/{self._number}"
        outputs = [{"output_id": "A", "content": "x"}] if not versions else []
        outputs += [{"output_id": v, "model_version": v, "content": "x"} for v in versions]
        body = {"inference_request_id": name, "model_name": self.model, "model_version": "v1", "outputs": outputs}
        self._post("/v1/inferences", body | {"occurred_at": at(second)} | more)
        return name

    def say(self, about: str, kind: str, value: dict[str, Any], second: int = 0, **more: Any) -> str:
        """One feedback; its id."""
        body = {"inference_request_id": about, "model_version": "v1", "feedback_type": kind, "feedback_value": value}
        return str(self._post("/v1/feedback", body | {"occurred_at": at(second)} | more)["feedback_id"])

    def settle(self) -> None:
        """Returns when the stream has read all of it."""
        catch_up(self.database, Settings(database_url=self.database.url, pepper=PEPPER))

    def ask(self, **query: Any) -> dict[str, Any]:
        """The answer, from noon on unless said otherwise."""
        answer = self.client.get(self.path(**query), self.key)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def path(self, **query: Any) -> str:
        """Where to ask."""
        asked = {"model_name": self.model, "from": FROM, "to": TO, **query}
        return PATH + "?" + "&".join(f"{name}={value}" for name, value in asked.items() if value is not None)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(path, self.key, body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


def at(second: int) -> str:
    """So many seconds into the tests' hour."""
    return (BASE + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


FROM, TO = at(0), at(600)


@pytest.fixture
def told(client: Client, make_key: MakeKey, database: Database) -> Told:
    """A model that nobody has spoken of yet."""
    return Told(client, make_key("ingest", "read"), database)


def only(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The windows of the one series there is."""
    [series] = answer["series"]
    return list(series["windows"])


def test_a_window_says_what_its_value_rests_on(told: Told) -> None:
    """Value, numerator, denominator, samples and interval of each window; what they mean stands beside them."""
    for second, right in ((0, "x"), (5, "y"), (61, "x")):
        told.say(told.answer(second), "ground_truth", {"label": right}, second)
    told.settle()

    answer = told.ask(metric="accuracy")

    assert [(w["start"], w["value"], w["numerator"], w["denominator"], w["samples"]) for w in only(answer)] == [
        (at(0), 0.5, 1, 2, 2),
        (at(60), 1.0, 1, 1, 1),
    ]
    assert all(w["low"] < w["value"] <= w["high"] for w in only(answer))
    assert "labels" in answer["metrics"]["accuracy"]["denominator"]
    assert answer["metrics"]["accuracy"]["interval"] == "wilson"


@pytest.mark.parametrize(
    ("query", "windows"),
    [
        ({"window_s": 30}, [(0, 30, 2), (60, 90, 1)]),
        ({"window": "sliding", "window_s": 60, "step_s": 30}, [(-30, 30, 2), (0, 60, 2), (30, 90, 1), (60, 120, 1)]),
        ({"window": "session", "gap_s": 50}, [(0, 70, 3)]),
        ({"window": "session", "gap_s": 40}, [(0, 20, 2), (60, 70, 1)]),
    ],
)
def test_each_kind_of_window(told: Told, query: dict[str, Any], windows: list[tuple[int, int, int]]) -> None:
    """Side by side, overlapping, or as long as people go on."""
    for second in (0, 15, 61):
        told.say(told.answer(second), "ground_truth", {"label": "x"}, second)
    told.settle()

    found = only(told.ask(metric="accuracy", **query))

    moments = {at(second): second for second in range(-60, 600)}
    assert [(moments[w["start"]], moments[w["end"]], w["samples"]) for w in found] == windows


def test_a_metric_by_segment(told: Told) -> None:
    """What the inference says of its segment holds for its feedback, too; `name=*` asks for each value."""
    for tier, right in (("pro", "x"), ("pro", "x"), ("free", "y")):
        told.say(told.answer(segments={"tier": tier}), "ground_truth", {"label": right}, user_context={"locale": "de"})
    told.settle()

    found = {
        each["segment"]: each["windows"][0]["value"] for each in told.ask(metric="accuracy", segment="tier=*")["series"]
    }

    assert found == {"tier=pro": 1.0, "tier=free": 0.0}
    assert only(told.ask(metric="accuracy", segment="locale=de"))[0]["samples"] == 3
    assert told.ask(metric="volume", segment="locale=de")["series"] == []
    assert only(told.ask(metric="volume", segment="tier=pro"))[0]["denominator"] == 2


def test_what_was_undone_moves_every_metric_back(told: Told, make_key: MakeKey) -> None:
    """Retractions and edits leave what there was before, to the last digit; an own metric among them."""
    metric = {"metric": "tone", "description": "How it sounds.", "direction": "higher", "feedback_types": ["reward"]}
    told.client.post("/v1/metrics", make_key("admin"), metric)
    about = told.answer(versions=("v1", "v2"))
    person = {"user_context": {"user_id": "u-1"}}
    told.say(about, "explicit_label", {"label": "x"})
    told.settle()
    before = told.ask()["series"]
    said = [
        told.say(about, "explicit_label", {"label": "y"}, **person),
        told.say(about, "preference_pair", {"preferred_output_id": "v2"}, **person),
        told.say(about, "reward", {"reward": 1 / 3}, **person),
        told.say(about, "reward", {"reward": 2 / 3}, metric="tone", **person),
        told.say(about, "exposure", {"items": [{"item_id": "i", "position": 0}]}, **person),
        told.say(about, "implicit_click", {"item_id": "i"}, **person),
    ]
    told.settle()
    between = {each["metric"] for each in told.ask()["series"]}
    for name in said:
        told.say(about, "retraction", {"retracts": name}, **person)
    told.settle()

    assert between >= {"disagreement", "win_rate", "mean_reward", "tone", "click_through"}
    assert told.ask()["series"] == before


def test_feedback_counts_in_the_metric_it_names(told: Told, make_key: MakeKey) -> None:
    """By the kind that was declared, and no longer in the one of its type; silence counts since the registration."""
    told.answer()
    for name, kind, of in (("clarity", "mean", "explicit_rating"), ("redone", "per_answer", "implicit_signal")):
        metric = {"metric": name, "description": "x", "direction": "lower", "kind": kind, "feedback_types": [of]}
        assert told.client.post("/v1/metrics", make_key("admin"), metric).status_code == 201
    about = [told.answer() for _ in range(4)]
    told.say(about[0], "explicit_rating", {"score": 3}, metric="clarity")
    told.say(about[1], "explicit_rating", {"score": 5}, metric="clarity")
    told.say(about[2], "implicit_signal", {"signal": "regenerate", "value": True}, metric="redone")
    told.settle()

    found = {each["metric"]: each["windows"][0] for each in told.ask()["series"]}

    assert (found["clarity"]["value"], found["clarity"]["samples"]) == (0.75, 2)
    assert (found["redone"]["numerator"], found["redone"]["denominator"]) == (1, 4)
    assert "satisfaction" not in found
    assert found["volume"]["numerator"] == 3


def test_a_kind_cannot_change(client: Client, make_key: MakeKey) -> None:
    """What was counted stays counted; another kind is another metric."""
    admin = make_key("admin")
    metric = {"metric": "calm", "description": "x", "direction": "higher", "feedback_types": ["reward"]}
    client.post("/v1/metrics", admin, metric)

    refused = client.post("/v1/metrics", admin, metric | {"kind": "share"})
    again = client.post("/v1/metrics", admin, metric | {"kind": "mean", "description": "y"})

    assert (refused.status_code, refused.json()["errors"]) == (422, [{"pointer": "/kind", "code": "unchangeable"}])
    assert (again.status_code, again.json()["kind"], again.json()["interval"]) == (200, "mean", "normal")


def test_win_rate_offers_a_ranking(told: Told) -> None:
    """Who is stronger than whom, with intervals; versions that nobody compared are in groups of their own."""
    for pair, winner, times in ((("v1", "v2"), "v1", 6), (("v1", "v2"), "v2", 2), (("x", "y"), "y", 1)):
        for _ in range(times):
            told.say(told.answer(versions=pair), "preference_pair", {"preferred_output_id": winner})
    told.settle()

    ranking = told.ask(metric="win_rate")["ranking"]

    assert [(each["version"], each["group"], each["comparisons"]) for each in ranking] == [
        ("v1", 1, 8), ("v2", 1, 8), ("y", 2, 1), ("x", 2, 1)
    ]  # fmt: skip
    assert ranking[0]["low"] < ranking[0]["strength"] < ranking[0]["high"]
    assert "ranking" not in told.ask(metric="accuracy")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"window_s": 15}, "/window_s"),
        ({"window": "sliding", "step_s": 15}, "/step_s"),
        ({"window": "sliding", "step_s": 40}, "/window_s"),
        ({"window": "session", "gap_s": 11}, "/gap_s"),
        ({"session_id": "*"}, "/session_id"),
        ({"from": TO, "to": FROM}, "/from"),
        ({"from": at(-200_000)}, "/from"),
        ({"from": "yesterday"}, "/from"),
        ({"to": "2026-05-01 12:00"}, "/to"),
        ({"window": "hopping"}, "/window"),
    ],
)
def test_what_cannot_be_told_is_refused(told: Told, query: dict[str, Any], pointer: str) -> None:
    """The parameter is named; windows are whole buckets, and their number is bounded."""
    answer = told.client.get(told.path(**query), told.key)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_model_nobody_spoke_of_has_no_series(told: Told) -> None:
    """It is no error to ask for it, nor to ask without a span."""
    assert told.ask(**{"from": None, "to": None})["series"] == []


def test_without_a_span_the_newest_windows_are_told(told: Told) -> None:
    """Sixty of them, up to the newest bucket of the model."""
    for second in (0, 61):
        told.say(told.answer(second), "ground_truth", {"label": "x"}, second)
    told.settle()

    answer = told.ask(metric="accuracy", **{"from": None, "to": None})

    assert (answer["from"], answer["to"]) == (at(-58 * 60), at(70))
    assert len(only(answer)) == 2


@pytest.fixture
def stranger(database: Database) -> str:
    """A key of another project."""
    with Session(database.engine) as session:
        session.add(Project(name=(name := f"p-{uuid.uuid4().hex[:8]}")))
        session.flush()
        made = keys.create(session, name, ["read"], utc_now()).key
        session.commit()
    return made


def test_other_projects_are_not_seen(told: Told, stranger: str) -> None:
    """The project is the key's own."""
    told.say(told.answer(), "ground_truth", {"label": "x"})
    told.settle()
    assert told.ask()["series"]

    assert told.client.get(told.path(), stranger).json()["series"] == []


def test_a_stream_tells_what_changed(told: Told) -> None:
    """All of it first, then each window that moved, a late event's own among them, and that it was taken back."""
    person = {"user_context": {"user_id": "u-1"}}
    told.say(told.answer(), "ground_truth", {"label": "x"})
    told.say(told.answer(120), "ground_truth", {"label": "x"}, 120)
    told.settle()

    with OpenStream(told.client, told.path(metric="accuracy").replace(PATH, PATH + "/stream"), told.key) as stream:
        first = json.loads((stream.next() or {})["data"])
        late = told.say(told.answer(), "ground_truth", {"label": "y"}, 60, **person)
        told.settle()
        moved = json.loads((stream.next() or {})["data"])
        told.say(told.answer(), "retraction", {"retracts": late}, **person)
        told.settle()
        gone = json.loads((stream.next() or {})["data"])

    assert [w["start"] for w in only(first)] == [at(0), at(120)]
    assert [(w["start"], w["value"]) for w in only(moved)] == [(at(60), 0.0)]
    assert [(w["start"], w["end"], w["samples"], w["value"]) for w in only(gone)] == [(at(60), at(120), 0, None)]
    assert first["offset"] < moved["offset"] < gone["offset"]
