"""Shadows in the graph: the gate sends a candidate there, a client logs its answers, and feedback decides."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from sqlmodel import Session
from typer.testing import CliRunner

from feedback_assets import candidates, facts
from feedback_assets.sensors.moved_champions import moved_champions
from feedback_assets.shadows import report
from feedback_cli.main import build
from feedback_ingest.clock import utc_now
from feedback_ingest.settings import get_settings
from feedback_loop.learning.promotion import Verdict
from feedback_loop.registry.champions import promote
from feedback_loop.registry.served_model import ServedModel
from feedback_loop.registry.shadows import ENDED, SHADOWED
from feedback_loop.registry.shelf import ALIAS, SHADOW, RegisteredModel, _client, follow_alias, register
from tests.api.conftest import Client
from tests.assets.test_sensors import Sensor
from tests.assets.world import DAY, World

LATER = DAY + timedelta(hours=2)


def answered(world: World, count: int, shadow_right: float, version: str, shadow: str) -> "ibis.Table":
    """Inferences of a champion that is right half of the time, with what the shadow said, and the truth of each; as the
    columns of the labelled set that count.
    """
    rows: list[tuple[str, str, dict[str, Any], Any, Any]] = []
    for n in range(count):
        champion_is, shadow_is = n % 2 == 0, n % 100 < 100 * shadow_right
        outputs = [
            {"output_id": "A", "content": {"label": "1" if champion_is else "2"}},
            {"output_id": "shadow", "content": {"label": "1" if shadow_is else "0"}, "model_version": shadow},
        ]
        name = f"beside-{shadow}-{world.head()}-{n}"
        body = {"inference_request_id": name, "model_name": "digits", "model_version": version,
                "inputs": {"pixels": [1.0]}, "outputs": outputs, "chosen_output_id": "A"}  # fmt: skip
        rows.append(("inference", name, body, LATER, LATER))
        said = world.feedback(name, model_version=version, source={"kind": "system"})
        rows.append(("feedback", *said, LATER, LATER))
    offsets = world._append(rows)
    told = [
        {"project_id": 1, "model_name": "digits", "model_version": version, "label": '"1"',
         "inference_offset": offsets[2 * n], "feedback_offset": offsets[2 * n + 1],
         "answer_label": '"1"' if n % 2 == 0 else '"2"'}
        for n in range(count)
    ]  # fmt: skip
    return ibis.memtable(pa.Table.from_pylist(told))


def served(client: Client, key: str) -> dict[str, Any]:
    """What a serving client is told."""
    told: dict[str, Any] = client.get("/v1/models/digits", key).json()
    return told


def serving(world: World, *versions: str) -> list[RegisteredModel]:
    """Puts versions on the shelf, and lets the first of them serve."""
    settings = world.log.settings
    found = [register(world.database, settings, "digits", version.encode(), version) for version in versions]
    with Session(world.database.engine) as session:
        promote(session, found[0], "test", DAY, world.pepper)
        session.commit()
    return found


def test_a_tie_answers_in_the_shadow_until_feedback_tells(
    world: World,
    client: Client,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gate sends a tie there; nobody is served by it; its answers beside the champion's promote it, with why."""
    ours = serving(world, "digits-0002", "digits-0003")[1]
    monkeypatch.setattr(type(world.log), "settings", shadowing(world))
    tie = Verdict(False, ["not better"], True)
    candidate = {**asdict(ours), "dataset_version": "digits-0003"}
    assert candidates.carry_out(world.log, candidate, tie, {"champion_version": "digits-0002"}) == "digits-0002"

    [fact] = world.facts(SHADOWED)
    assert (fact.body["model_version"], fact.body["reasons"]) == ("digits-0003", ["not better"])
    assert world.facts(facts.MODEL_REFUSED) == []
    told = served(client, key)
    assert (told["model_version"], told["shadow"]["model_version"]) == ("digits-0002", "digits-0003")
    followed = followed_by(told)
    assert (followed.version, followed.shadow_version, followed.shadow) == ("digits-0002", "digits-0003", b"loaded")

    labeled = answered(world, 60, 0.95, "digits-0002.increment-7", "digits-0003")
    row = looked(world, labeled)

    assert (row["outcome"], row["samples"]) == ("promote", 60)
    promoted = world.facts(facts.MODEL_PROMOTED)[-1].body
    assert promoted["model_version"] == "digits-0003" and "in the shadow, surely better" in promoted["reason"]
    assert (served(client, key)["model_version"], served(client, key)["shadow"]) == ("digits-0003", None)
    assert looked(world, labeled) == {}


def test_a_worse_shadow_is_let_go_and_people_decide_too(
    world: World,
    client: Client,
    key: str,
) -> None:
    """Surely worse: it ends, and the champion stays. By hand one is put there, and taken away again."""
    serving(world, "digits-0002", "digits-0003")
    put = client.post("/v1/models/digits/versions/digits-0003/shadow", key, {"reason": "to look at"})
    assert put.status_code == 200 and served(client, key)["shadow"]["model_version"] == "digits-0003"
    again = client.post("/v1/models/digits/versions/digits-0002/shadow", key, {})
    assert again.json()["errors"] == [{"pointer": "/model_version", "code": "serves"}]

    row = looked(world, answered(world, 60, 0.05, "digits-0002", "digits-0003"))

    assert row["outcome"] == "end" and "surely worse" in world.facts(ENDED)[-1].body["reason"]
    assert served(client, key) | {"model_version": "digits-0002", "shadow": None} == served(client, key)
    client.post("/v1/models/digits/versions/digits-0003/shadow", key, {})
    assert client.delete("/v1/models/digits/shadow", key).status_code == 200
    assert client.delete("/v1/models/digits/shadow", key).status_code == 404


def test_by_hand_from_the_shelf_to_the_champion(
    world: World,
    client: Client,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Put there by the command, a served model answers with both, users say what is right, the graph compares, the API
    and the command tell it, and a person lets it serve: from then on nobody is in the shadow. MLflow follows.
    """
    follow_alias(world.database, 1, "digits", serving(world, "digits-0002", "digits-0003")[0].model_version)
    command = shell(world, monkeypatch)
    assert command("shadow", "digits", "digits-0003") == [{"model_name": "digits", "model_version": "digits-0003"}]
    sensor = Sensor(world, moved_champions)
    sensor.look()
    assert aliases(world) == {"champion": "digits-0002", "shadow": "digits-0003"}
    model = ServedModel("http://app", key, "digits", bytes.decode)
    model._http = through(client, key)
    assert model.refresh()

    answer(client, key, model, 30)
    assert world.refresh(first=utc_now(), only="shadow_report").success

    compared(client, key, command)
    command("promote", "digits", "digits-0003")

    sensor.look()
    assert aliases(world) == {"champion": "digits-0003"}
    assert world.facts(ENDED)[-1].body["reason"] == "promoted by hand"
    assert model.refresh() and (model.version, model.shadow) == ("digits-0003", None)
    assert client.get("/v1/models/digits/shadow", key).status_code == 404
    assert looked(world, world.lake.read("labeled_set")) == {}


def compared(client: Client, key: str, command: Any) -> None:
    """What the API and the command tell of the thirty answers of `answer`."""
    told = client.get("/v1/models/digits/shadow", key).json()
    seen = told["seen"]
    assert (told["model_version"], seen["champion_version"], seen["outcome"]) == ("digits-0003", "digits-0002", "wait")
    assert [seen[name] for name in ("samples", "shadow_alone", "champion_alone")] == [30, 15, 3]
    assert (seen["shadow"]["share"], seen["champion"]["share"]) == (0.9, 0.5)
    assert seen["champion"]["low"] < 0.5 < seen["champion"]["high"] < seen["shadow"]["share"]
    [listed] = client.get("/v1/models", key).json()["models"]
    assert listed["shadow"] == {name: told[name] for name in told if name != "model_name"}
    shown = {one["model_version"]: one for one in command("list")}
    assert shown["digits-0003"]["shadow"] == listed["shadow"] and shown["digits-0002"]["shadow"] is None


def shell(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`feedback models …` in this process, on the world; its JSON lines."""
    monkeypatch.setenv("FEEDBACK_DATABASE_URL", world.database.url)
    monkeypatch.setenv("FEEDBACK_DATA_DIR", str(world.data_dir))
    get_settings.cache_clear()

    def call(*words: str) -> Any:
        done = CliRunner().invoke(build(), ["models", *words, "--json"])
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    return call


def aliases(world: World) -> dict[str, str]:
    """What these two aliases of MLflow, which all tests share, point at."""
    mlflow = _client(world.database)
    given = mlflow.get_registered_model("digits").aliases
    named = [alias for alias in (ALIAS, SHADOW) if alias in given]
    return {alias: mlflow.get_model_version("digits", given[alias]).tags["model_version"] for alias in named}


def through(client: Client, key: str) -> Any:
    """An HTTP client as a serving app has it, of the app in this process."""
    import httpx

    def handle(request: httpx.Request) -> httpx.Response:
        found = client.get(request.url.raw_path.decode(), key)
        return httpx.Response(found.status_code, content=found.content)

    return httpx.Client(transport=httpx.MockTransport(handle), base_url="http://app")


def answer(client: Client, key: str, model: ServedModel, count: int) -> None:
    """A client that answers with the champion, logs what the shadow says too, and hears what is right: the champion's
    label half of the time, the shadow's nine times of ten.
    """
    named = {"model_name": "digits", "model_version": model.version}
    inferences, feedback = [], []
    for n in range(count):
        right = {"A": n % 2 == 0, "shadow": n % 10 != 0}
        outputs = [
            {"output_id": "A", "content": {"label": model.model if right["A"] else "no"}},
            {"output_id": "shadow", "content": {"label": model.model if right["shadow"] else model.shadow},
             "model_version": model.shadow_version},
        ]  # fmt: skip
        inferences.append({**named, "inference_request_id": f"r-{n}", "inputs": {"x": n}, "outputs": outputs,
                           "chosen_output_id": "A"})  # fmt: skip
        feedback.append({**named, "inference_request_id": f"r-{n}", "feedback_type": "ground_truth",
                         "feedback_value": {"label": model.model}})  # fmt: skip
    for kind, events in (("inferences", inferences), ("feedback", feedback)):
        assert client.post(f"/v1/{kind}/batch", key, {"events": events}).status_code == 201


def test_only_the_settings_send_a_candidate_there(world: World) -> None:
    """By default a tie is refused, as ever."""
    assert not candidates.goes_into_shadow(world.log, Verdict(False, [], True))


def shadowing(world: World) -> property:
    """The world's settings, with shadows."""
    settings = world.log.settings.model_copy(update={"gate_shadow": True})
    return property(lambda _: settings)


def looked(world: World, labeled: "ibis.Table") -> dict[str, Any]:
    """The row of the shadow report; empty where there is none."""
    found = report(world.log, labeled).to_pylist()
    return dict(found[0]) if found else {}


def followed_by(told: dict[str, Any]) -> ServedModel:
    """A serving client that was told so."""
    import httpx

    model = ServedModel("http://app", "key", "digits", lambda _: b"loaded")
    model._http = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=told)), base_url="http://app"
    )
    assert model.refresh()
    return model
