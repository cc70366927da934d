"""Loop latency stage by stage, from what the client noted and what the database and Dagster say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from feedback_cli.demo.ledger import Entry
from feedback_ingest.postgres import Database
from feedback_loop.learning.percentiles import percentiles
from feedback_loop.stream.tables import TrainingExample

Stages = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Queued:
    """One feedback in the training queue: its offset, and when it came there."""

    log_offset: int
    queued_at: datetime


def stages(ledger: list[Entry], queue: Mapping[str, Queued], trained: Mapping[str, datetime]) -> Stages:
    """Milliseconds of each stage as p50, p95, p99 and count.

    `queue` is the training queue, `trained` when an app first answered with a model
    that was trained on it, both by feedback_id. An example is durable once feedback *and* inference are.
    """
    inferences = {entry.id: entry.durable_at for entry in ledger if entry.kind == "inference"}
    feedback = [entry for entry in ledger if entry.kind == "feedback"]
    told = [entry.received_to_durable_ms for entry in ledger if entry.received_to_durable_ms is not None]
    queued, served = [], []
    for entry in feedback:
        if entry.id in queue:
            durable_at = max(entry.durable_at, inferences.get(entry.inference_request_id, entry.durable_at))
            queued.append(_ms(durable_at, queue[entry.id].queued_at))
        if entry.id in trained:
            served.append(_ms(entry.occurred_at, trained[entry.id]))
    return {
        "received_to_durable": percentiles(told),
        "durable_to_training_queue": percentiles(queued),
        "occurred_to_serving": percentiles(served),
    }


def training_queue(database: Database, project_id: int, model_name: str) -> dict[str, Queued]:
    """The training queue of a model by feedback_id."""
    wanted = select(TrainingExample.feedback_id, TrainingExample.log_offset, TrainingExample.queued_at)
    mine = wanted.where(TrainingExample.project_id == project_id, TrainingExample.model_name == model_name)
    with Session(database.engine) as session:
        return {str(feedback_id): Queued(offset, at) for feedback_id, offset, at in session.exec(mine)}


def _ms(begin: datetime, end: datetime) -> float:
    """Milliseconds between two clocks of one machine; the queue may be faster than the client's note: then 0."""
    return max((end - begin).total_seconds() * 1000, 0.0)
