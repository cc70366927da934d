"""Lineage: one correction followed from its receipt to the champion and back, by API, command and page."""

import json
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from feedback_cli.main import build
from feedback_ingest.settings import get_settings
from feedback_loop.learning.datasets import is_golden
from feedback_loop.learning.membership import OUTCOMES
from tests.api.conftest import Client
from tests.assets.world import World


def history(world: World) -> tuple[str, str, str]:
    """A correction that was learnt from, one of a golden answer, and one that came after the training; their ids."""
    names = [f"one-{n}" for n in range(99)]
    corrected = {"value": {"corrected_label": "2"}, "user_context": {"user_id": "p_one"}}
    ids = []
    for is_held in (False, True):
        name = next(each for each in names if is_golden(each, 0.2) == is_held)
        world.infer(name, "1", inputs={"pixels": [0.0, 0.0, 4.0]})
        ids.append(world.say(name, "explicit_correction", **corrected))
    world.live(200, right=0.6)
    world.refresh(only="labeled_set")
    result = world.retrain()
    assert result.success
    told = {
        each.step_key: each.step_materialization_data.materialization.metadata
        for each in result.all_events
        if each.is_step_materialization
    }
    links = {name: [link.url for link in given.values() if isinstance(link, dg.UrlMetadataValue)]
             for name, given in told.items()}  # fmt: skip
    assert "http://localhost:8000/v1/datasets/digits-0002/events" in links["training_dataset"]
    learnt_from = "http://localhost:8000/v1/models/digits/versions/digits-0002/feedback"
    assert learnt_from in links["candidate_model"] and learnt_from in links["champion_model"]
    return ids[0], ids[1], world.say("live-digits-0001-0-0", "explicit_correction", **corrected)


def followed_back(client: Client, key: str, correction: str, dataset: dict[str, Any]) -> None:
    """From the dataset and from the model to the same row."""
    looked_at = client.get("/v1/datasets/digits-0002/events?limit=1000", key).json()["events"]
    assert {each["feedback_id"]: each["outcome"] for each in looked_at}[correction] == "kept"
    behind = client.get("/v1/models/digits/versions/digits-0002/feedback?limit=1000", key).json()
    [back] = [each for each in behind["events"] if each["feedback_id"] == correction]
    assert behind["dataset_version"] == "digits-0002"
    assert (back["row"], back["weight"]) == (dataset["row"], dataset["weight"])
    first = client.get("/v1/models/digits/versions/digits-0002/feedback?limit=2", key).json()
    assert first["next_after"] == first["events"][-1]["feedback_offset"]


@pytest.mark.filterwarnings("error:Arrow output")  # a person's terminal is no place for what a library wishes
def test_a_correction_is_followed_to_the_champion_and_back(
    world: World, client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By API, command and page: in which row it stands, which model learnt from it, that it serves; and from the model
    back to it. One that a dataset left out says why there, by what was stored.
    """
    correction, golden, late = history(world)

    found = client.get(f"/v1/feedback/{correction}/lineage", key).json()
    [dataset] = found["datasets"]
    [model] = dataset["models"]
    assert (dataset["dataset_version"], dataset["outcome"], dataset["split"]) == ("digits-0002", "kept", "train")
    assert (model["model_version"], model["serves"]) == ("digits-0002", True)
    assert [move["kind"] for move in model["moves"]] == ["model_promoted"] and model["moves"][0]["reason"]
    followed_back(client, key, correction, dataset)
    [left] = client.get(f"/v1/feedback/{golden}/lineage", key).json()["datasets"]
    assert (left["outcome"], left["meaning"], left["models"]) == ("golden", OUTCOMES["golden"], [])
    [never] = client.get(f"/v1/feedback/{late}/lineage", key).json()["datasets"]
    assert never["outcome"] == "not-looked-at"

    for variable, value in (("DATA_DIR", str(world.data_dir)), ("DATABASE_URL", world.database.url)):
        monkeypatch.setenv(f"FEEDBACK_{variable}", value)
    get_settings.cache_clear()

    said, plain = (CliRunner().invoke(build(), ["trace", *each]) for each in ((correction, "--json"), (golden,)))
    assert json.loads(said.stdout) == found
    assert "digits-0002  golden" in plain.stdout

    page = client.get(f"/lineage?feedback_id={correction}", key).text
    assert '<a href="/v1/models/digits/versions/digits-0002/feedback">' in page
    assert page.count('class="node champion"') == 1 and "digits-0002" in page and "<script" not in page
    events = client.get("/v1/openlineage", key).json()["events"]
    assert [event["job"]["name"] for event in events] == ["compile.digits", "train.digits"]
    assert events[0]["outputs"][0]["name"] == events[1]["inputs"][0]["name"]


def test_what_is_not_there_is_not_told(world: World, client: Client, key: str) -> None:
    """Unknown ids are 404 in every direction, with a word on what there is; a page escapes what it is asked, and asked
    nothing it offers the newest.
    """
    world.infer("r")
    said = world.say("r")

    for path in ("/v1/feedback/none/lineage", "/v1/datasets/none", "/v1/datasets/none/events",
                 "/v1/models/digits/versions/none/feedback"):  # fmt: skip
        refused = client.get(path, key)
        assert refused.status_code == 404 and "address" not in refused.json()["detail"]
    assert f'href="/lineage?feedback_id={said}"' in client.get("/lineage", key).text
    page = client.get("/lineage?feedback_id=%3Cscript%3E", key)
    assert page.status_code == 404 and "<script" not in page.text
    assert client.get(f"/v1/feedback/{said}/lineage", key).json()["datasets"] == []
    assert client.get("/v1/datasets", key).json() == {"datasets": []}
