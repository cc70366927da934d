"""Datasets that are asked for over HTTP: stored as a request, made by the graph, answered in the log."""

import shutil
from typing import Any

import dagster as dg
import pytest
from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.sensors.asked_datasets import asked_datasets
from feedback_assets.sensors.drift import gathered
from tests.api.conftest import Client
from tests.assets.test_sensors import Sensor
from tests.assets.world import DAY, World, key_of

RECIPE = {"model_name": "digits", "rows": 40, "golden_share": 0.2}


def carried_out(world: World, sensor: Sensor) -> int:
    """Runs what the sensor requests until it requests nothing; how many runs that were."""
    runs = 0
    while requests := sensor.look():
        for request in requests:
            job = world.job("datasets")
            assert job.execute_in_process(instance=world.instance, tags=dict(request.tags)).success
            runs += 1
    return runs


def test_a_dataset_is_compiled_verified_and_made_again(world: World, client: Client, key: str) -> None:
    """Asked for, compiled of what the log held then, verified to the bit, made again after everything was deleted."""
    world.live(120, right=0.6)
    sensor = Sensor(world, asked_datasets)
    asked = client.post("/v1/datasets", key, {"recipe": RECIPE})
    world.live(30, right=0.6, seed=1)

    assert asked.status_code == 202
    told = client.get(asked.headers["location"], key).json()
    assert told == asked.json() == {"request_offset": 241, "status": "requested"}
    assert carried_out(world, sensor) == 1
    told = client.get(f"{asked.headers['location']}?wait_ms=30000", key).json()
    assert (told["status"], told["dataset_version"], told["rows"]) == ("compiled", "digits-0002", 40)
    manifest = client.get("/v1/datasets/digits-0002", key).json()
    assert (manifest["log_offset"], manifest["faults"]) == (241, [])
    assert manifest["row_digest"] == told["row_digest"]

    shutil.rmtree(world.data_dir / "datasets")
    assert client.get("/v1/datasets/digits-0002", key).json()["faults"] == ["manifest.json is missing or damaged"]
    lost = client.get("/v1/datasets/digits-0002/events", key)
    assert (lost.status_code, lost.json()["errors"]) == (422, [{"pointer": "/dataset_version", "code": "damaged"}])
    again = client.post("/v1/datasets/digits-0002/rebuild", key, {})
    assert carried_out(world, sensor) == 1
    told = client.get(again.headers["location"], key).json()
    assert (told["status"], told["row_digest"]) == ("rebuilt", manifest["row_digest"])
    assert client.get("/v1/datasets/digits-0002", key).json() == manifest


def test_what_cannot_be_made_says_why(world: World, client: Client, key: str) -> None:
    """A recipe's fields are named at once; what only shows at work is the request's answer; strangers see neither.

    A dataset from before there were recipes is listed, and says that it cannot be made again.
    """
    with world.log.session() as session:
        old = {"model_name": "digits", "dataset_version": "digits-0002", "log_offset": 0, "rows": 3, "sha256": "00"}
        facts.append(session, world.pepper, 1, facts.DATASET_COMPILED, "digits-0002", old, DAY)
    wrong = client.post("/v1/datasets", key, {"recipe": {**RECIPE, "format": "love", "rows": 0}})
    early = client.post("/v1/datasets", key, {"recipe": RECIPE, "log_offset": 10**6})
    fault = wrong.json()["errors"]

    assert (wrong.status_code, fault) == (422, [{"pointer": "/recipe/rows", "code": "out-of-range"}])
    assert early.json()["errors"] == [{"pointer": "/log_offset", "code": "too-large"}]
    assert client.post("/v1/datasets/digits-0001/rebuild", key, {}).status_code == 404
    asked = client.post("/v1/datasets", key, {"recipe": {**RECIPE, "appends_to": "digits-0001"}})
    older = client.post("/v1/datasets/digits-0002/rebuild", key, {})
    assert carried_out(world, Sensor(world, asked_datasets)) == 2
    told, of_old = (client.get(each.headers["location"], key).json() for each in (asked, older))
    assert client.get("/v1/datasets", key).json()["datasets"][0]["rows"] == 3
    assert (of_old["code"], "compile one anew" in of_old["reason"]) == ("without-recipe", True)
    assert (told["status"], told["code"]) == ("refused", "dataset-damaged")
    assert str(world.data_dir) not in told["reason"]
    assert client.get(asked.headers["location"], key_of(world, "elsewhere")).status_code == 404
    assert client.get("/v1/datasets/requests/1", key).status_code == 404, "another fact"


@pytest.mark.chaos
def test_a_run_that_dies_is_tried_again_and_then_given_up(world: World, client: Client, key: str) -> None:
    """Three runs without an answer are one answer; what was asked after it is made all the same.

    The loop trains nothing on that: it is no training to wait after.
    """
    world.live(40, right=0.6)
    first, second = (client.post("/v1/datasets", key, {"recipe": RECIPE}) for _ in range(2))
    sensor = Sensor(world, asked_datasets)
    for _ in range(3):
        [request] = sensor.look()
        run = world.instance.create_run_for_job(
            world.job("datasets"), status=dg.DagsterRunStatus.STARTED, tags=dict(request.tags)
        )
        assert sensor.look() == [], "one at a time"
        world.instance.report_run_failed(run)

    assert sensor.look() == []
    assert client.get(first.headers["location"], key).json()["code"] == "run-failed"
    assert carried_out(world, sensor) == 1
    assert client.get(second.headers["location"], key).json()["status"] == "compiled"
    row: dict[str, Any] = {"project_id": 1, "model_name": "digits", "model_version": "digits-0001"}
    with Session(world.database.engine) as session:
        assert facts.read(session, (facts.DATASET_COMPILED,))
        assert gathered(session, row, False).trainings == []
