"""What Dagster did, asked from its webserver over GraphQL, so that no Dagster is imported here."""

from dataclasses import dataclass
from typing import Any

import httpx

RETRAIN_JOB = "retrain"
SENSOR_TAG = "dagster/sensor_name"
UPTO_TAG = "feedback/upto_offset"
ACTIVE = ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING")

RUNS = """
query Runs {
  runsOrError(limit: 500) {
    ... on Runs { results { runId jobName status startTime endTime creationTime tags { key value } } }
  }
}
"""
GRAPH = """
query Graph {
  assetNodes {
    assetKey { path }
    isMaterializable
    assetMaterializations(limit: 1) { timestamp }
    assetChecksOrError {
      ... on AssetChecks {
        checks { name executionForLatestMaterialization { status evaluation { success severity } } }
      }
    }
  }
}
"""


@dataclass(frozen=True)
class Run:
    """One Dagster run; times are Unix seconds, None while it has not come that far; so is the offset it reads up to."""

    run_id: str
    job: str
    status: str
    sensor: str | None
    upto_offset: int | None
    created_s: float
    start_s: float | None
    end_s: float | None

    @property
    def is_active(self) -> bool:
        """Is it waiting or running?"""
        return self.status in ACTIVE

    @property
    def is_sensor_retraining(self) -> bool:
        """Was it a retraining that a sensor asked for, by Dagster's own tag?"""
        return self.job == RETRAIN_JOB and self.sensor is not None


@dataclass(frozen=True)
class GraphState:
    """Names of assets that were materialised and that could be but were not, and of checks by their last outcome."""

    materialised: list[str]
    missing: list[str]
    green: list[str]
    not_green: list[str]


class DagsterRuns:
    """A view on the webserver at `url`; a webserver that is away answers None, and the caller asks again."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10.0, trust_env=False)

    def runs(self) -> list[Run] | None:
        """The newest 500 runs, newest first."""
        data = self._ask(RUNS)
        if data is None or "results" not in data["runsOrError"]:
            return None
        return [_run(found) for found in data["runsOrError"]["results"]]

    def graph(self) -> GraphState | None:
        """Which assets were ever materialised, and how each check last ended."""
        data = self._ask(GRAPH)
        if data is None:
            return None
        state = GraphState([], [], [], [])
        for node in data["assetNodes"]:
            name = "/".join(node["assetKey"]["path"])
            if node["assetMaterializations"]:
                state.materialised.append(name)
            elif node["isMaterializable"]:
                state.missing.append(name)
            for check in node["assetChecksOrError"].get("checks", []):
                (state.green if _is_green(check) else state.not_green).append(f"{name}.{check['name']}")
        return state

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def _ask(self, query: str) -> dict[str, Any] | None:
        try:
            response = self._http.post("/graphql", json={"query": query})
            data: dict[str, Any] | None = response.json().get("data")
        except (httpx.TransportError, ValueError):
            return None
        return data


def _run(found: dict[str, Any]) -> Run:
    tags = {tag["key"]: tag["value"] for tag in found["tags"]}
    return Run(
        found["runId"],
        found["jobName"],
        found["status"],
        tags.get(SENSOR_TAG),
        int(tags[UPTO_TAG]) if UPTO_TAG in tags else None,
        found["creationTime"],
        found["startTime"],
        found["endTime"],
    )


def _is_green(check: dict[str, Any]) -> bool:
    execution = check["executionForLatestMaterialization"]
    return execution is not None and execution["status"] == "SUCCEEDED"
