"""Whether review keeps its promises: labels as asked for, every verdict in the log, no golden row learnt from."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import orjson

from feedback_assets.lake import Lake, NothingMaterialized, Table
from feedback_assets.model_rows import one_row
from feedback_assets.presentation import markdown_table
from feedback_assets.resources import LogResource
from feedback_loop.learning.membership import KEPT
from feedback_loop.learning.review_history import too_many
from feedback_loop.registry import dataset_shelf


@dg.asset_check(
    asset="review_labels",
    additional_ins={"review_queue": dg.AssetIn()},
    description="No item has more labels than were asked for, and none has two of one reviewer.",
)
def labels_are_as_asked(review_labels: Table, review_queue: Table) -> dg.AssetCheckResult:
    """Counts them, gold items aside, which anybody may have."""
    wrong = too_many(review_labels.to_pyarrow().to_pylist(), review_queue.to_pyarrow().to_pylist())
    return dg.AssetCheckResult(passed=not wrong, metadata={"items": markdown_table(wrong[:10], empty="none")})


@dg.asset_check(asset="review_queue", description="What was decided is in the log as feedback, under its own name.")
def verdicts_are_feedback(log: LogResource, review_queue: Table) -> dg.AssetCheckResult:
    """Looks for each verdict's name among the keys of the log."""
    from sqlalchemy import text

    wanted = review_queue.filter(review_queue.verdict.notnull())
    rows = wanted.select("project_id", "task_id", "verdict").to_pyarrow().to_pylist()
    query = text("SELECT id FROM staging.event_keys WHERE project_id = :p AND kind = 'feedback' AND id = ANY(:ids)")
    missing: list[Mapping[str, Any]] = []
    with log.session() as session:
        for project_id in sorted({row["project_id"] for row in rows}):
            mine = [row for row in rows if row["project_id"] == project_id]
            given = {"p": project_id, "ids": [row["verdict"] for row in mine]}
            known = set(session.execute(query, given).scalars())
            missing += [row for row in mine if row["verdict"] not in known]
    told: dict[str, Any] = {"verdicts": len(rows), "missing": markdown_table(missing[:10], empty="none")}
    return dg.AssetCheckResult(passed=not missing, metadata=told)


@dg.asset_check(asset="training_dataset", description="No golden row, by share or by a reviewer's word, is in it.")
def golden_is_held_out(log: LogResource, training_dataset: Table) -> dg.AssetCheckResult:
    """Compares the dataset's file with the golden rows."""
    row = one_row(training_dataset)
    try:
        golden = Lake(log.settings.lake_dir).read("golden_set")
    except NothingMaterialized:
        return dg.AssetCheckResult(passed=True, metadata={"note": "there are no golden rows yet"})
    mine = golden.filter(golden.project_id == row["project_id"], golden.model_name == row["model_name"])
    held_out = set(mine.inference_offset.to_pyarrow().to_pylist())
    root = dataset_shelf.root(log.settings.data_dir, row["project_id"])
    looked_at = dataset_shelf.read(root, row["dataset_version"]).table(dataset_shelf.MEMBERS_FILE).to_pylist()
    learnt = held_out & {each["inference_offset"] for each in looked_at if each["outcome"] == KEPT}
    told: dict[str, Any] = {"golden rows": len(held_out), "learnt": orjson.dumps(sorted(learnt)[:10]).decode()}
    return dg.AssetCheckResult(passed=not learnt, metadata=told)
