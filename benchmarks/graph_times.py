"""When the graph did what it did for a retraining: its report, tick, run and steps, as Dagster's webserver tells."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

ASKED = """
query Times {
  sensorOrError(sensorSelector: {
    repositoryName: "__repository__", repositoryLocationName: "feedback_assets", sensorName: "drift"
  }) {
    ... on Sensor { sensorState { ticks(limit: 1000, statuses: [SUCCESS]) { timestamp endTimestamp runIds } } }
  }
  runsOrError(filter: {pipelineName: "retrain"}, limit: 100) {
    ... on Runs {
      results { runId creationTime startTime tags { key value } stepStats { stepKey startTime endTime } }
    }
  }
  assetOrError(assetKey: {path: ["drift_report"]}) {
    ... on Asset {
      assetMaterializations(limit: 1000) { timestamp runOrError { ... on Run { tags { key value } } } }
    }
  }
}
"""
MODEL_TAG, UPTO_TAG = "feedback/model_name", "feedback/upto_offset"
FIRST_STEP, TRAINING_STEP = "training_dataset", "candidate_model"


class Times(NamedTuple):
    """Unix seconds: the report that was decided by, the sensor's tick, the run's request, its start, its training."""

    report_s: float
    tick_s: float
    requested_s: float
    started_s: float
    dataset_s: float
    training_s: float


def retraining_times(url: str, model_name: str, upto_offset: int) -> Times:
    """Of the first retraining of a model, which a report up to `upto_offset` brought about."""
    answer = httpx.post(f"{url}/graphql", json={"query": ASKED}, timeout=30.0, trust_env=False).json()["data"]
    runs = [run for run in answer["runsOrError"]["results"] if _tags(run).get(MODEL_TAG) == model_name]
    run = min(runs, key=lambda each: each["creationTime"])
    ticks = answer["sensorOrError"]["sensorState"]["ticks"]
    tick = next(each for each in ticks if run["runId"] in each["runIds"])
    reports = answer["assetOrError"]["assetMaterializations"]
    made = [each for each in reports if _tags(each["runOrError"]).get(UPTO_TAG) == str(upto_offset)]
    steps = {step["stepKey"]: step["startTime"] for step in run["stepStats"]}
    return Times(
        int(made[-1]["timestamp"]) / 1000,
        tick["timestamp"],
        run["creationTime"],
        run["startTime"],
        steps[FIRST_STEP],
        steps[TRAINING_STEP],
    )


def _tags(run: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}
