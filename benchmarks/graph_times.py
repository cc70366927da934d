"""When the graph did what it did for a retraining: refresh, report, run and steps, as Dagster's webserver tells."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

ASKED = """
query Times {
  runsOrError(filter: {pipelineName: "retrain"}, limit: 100) {
    ... on Runs {
      results { creationTime startTime tags { key value } stepStats { stepKey startTime } }
    }
  }
  assetOrError(assetKey: {path: ["drift_report"]}) {
    ... on Asset {
      assetMaterializations(limit: 1000) { timestamp runOrError { ... on Run { creationTime tags { key value } } } }
    }
  }
}
"""
MODEL_TAG, UPTO_TAG = "feedback/model_name", "feedback/upto_offset"
FIRST_STEP, TRAINING_STEP = "training_dataset", "candidate_model"


class Times(NamedTuple):
    """Unix seconds: the refresh and its report that was decided by; the run's request, start, dataset, training."""

    refresh_s: float
    report_s: float
    requested_s: float
    started_s: float
    dataset_s: float
    training_s: float


def retraining_times(url: str, model_name: str, upto_offset: int) -> Times:
    """Of the first retraining of a model, which a report up to `upto_offset` brought about."""
    answer = httpx.post(f"{url}/graphql", json={"query": ASKED}, timeout=30.0, trust_env=False).json()["data"]
    runs = [run for run in answer["runsOrError"]["results"] if _tags(run).get(MODEL_TAG) == model_name]
    run = min(runs, key=lambda each: each["creationTime"])
    made = answer["assetOrError"]["assetMaterializations"]
    report = next(each for each in made if _tags(each["runOrError"]).get(UPTO_TAG) == str(upto_offset))
    steps = {step["stepKey"]: step["startTime"] for step in run["stepStats"]}
    return Times(
        report["runOrError"]["creationTime"],
        int(report["timestamp"]) / 1000,
        run["creationTime"],
        run["startTime"],
        steps[FIRST_STEP],
        steps[TRAINING_STEP],
    )


def _tags(run: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}
