"""What the database holds of a demo: the other side of the client's sums."""

from collections import Counter
from pathlib import Path

from sqlalchemy import func
from sqlmodel import Session, col, select

from feedback_ingest.postgres import Database
from feedback_ingest.tables import FeedbackEvent, QuarantinedItem


def stored_events(
    database: Database, project_id: int, model_name: str, key_id: str, first_offset: int
) -> dict[str, int]:
    """Stored `inference` and `feedback` events of the model from `first_offset` on, and `…_refused` ones of the key."""
    events = (
        select(FeedbackEvent.kind, func.count())
        .where(
            col(FeedbackEvent.kind).in_(("inference", "feedback")),
            FeedbackEvent.project_id == project_id,
            FeedbackEvent.model_name == model_name,
            FeedbackEvent.log_offset >= first_offset,
        )
        .group_by(FeedbackEvent.kind)
    )
    refused = (
        select(QuarantinedItem.kind, func.count())
        .where(QuarantinedItem.project_id == project_id, QuarantinedItem.key_id == key_id)
        .group_by(QuarantinedItem.kind)
    )
    with Session(database.engine) as session:
        stored = {kind: int(count) for kind, count in session.exec(events)}
        return stored | {f"{kind}_refused": int(count) for kind, count in session.exec(refused)}


def quarantined_by_rule(lake_dir: Path, model_name: str) -> dict[str, int]:
    """How many feedback events of the model each named expectation set aside, as the graph's Parquet files say."""
    import pyarrow.dataset as ds

    folder = lake_dir / "quarantined_feedback"
    if not folder.exists():
        return {}
    mine = ds.dataset(folder, format="parquet").to_table(["broken_rules"], ds.field("model_name") == model_name)
    return dict(Counter(rule for rules in mine["broken_rules"].to_pylist() for rule in rules))
