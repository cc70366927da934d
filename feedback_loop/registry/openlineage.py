"""OpenLineage: compilations and trainings as RunEvents that any lineage server takes; built from the log's facts."""

import uuid
from typing import Any

from sqlmodel import Session

from feedback_ingest.log import LogRow
from feedback_loop.registry.lineage import COMPILED, TRAINED, facts_of

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACET = "https://openlineage.io/spec/facets/1-0-0/{0}.json#/$defs/{0}"
PRODUCER = "urn:feedback-loop"
RUNS = uuid.UUID("6a2b1b52-6b1e-5d0e-9f3c-2f6f0f1d8c11")
"""Run ids are made of a fact's place, so that telling an event again tells the same run."""


def run_events(session: Session, project_id: int, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """At most `limit` events of the facts behind `after`, each with its fact's offset."""
    facts = [fact for fact in facts_of(session, project_id, (COMPILED, TRAINED)) if fact.log_offset > after]
    return [(fact.log_offset, _event(fact)) for fact in facts[:limit]]


def _event(fact: LogRow) -> dict[str, Any]:
    """One finished run: what it read and what it made."""
    body, namespace = fact.body, f"feedback-loop/{fact.project_id}"
    dataset: dict[str, Any] = {"namespace": namespace, "name": f"datasets/{body['dataset_version']}"}
    if fact.kind == COMPILED:
        version = _facet("DatasetVersionDatasetFacet", datasetVersion=str(body["log_offset"]))
        inputs: list[dict[str, Any]] = [
            {"namespace": namespace, "name": "staging.feedback_events", "facets": {"version": version}}
        ]
        rows = _facet("OutputStatisticsOutputDatasetFacet", rowCount=body["rows"])
        outputs = [{**dataset, "outputFacets": {"outputStatistics": rows}}]
        job = f"compile.{body['model_name']}"
    else:
        inputs, job = [dataset], f"train.{body['model_name']}"
        outputs = [{"namespace": namespace, "name": f"models/{body['model_name']}/{body['model_version']}"}]
    return {
        "eventType": "COMPLETE",
        "eventTime": fact.received_at.isoformat(),
        "run": {"runId": str(uuid.uuid5(RUNS, f"{fact.project_id}/{fact.log_offset}"))},
        "job": {"namespace": namespace, "name": job},
        "inputs": inputs,
        "outputs": outputs,
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
    }


def _facet(name: str, **values: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": FACET.format(name), **values}
