"""Column lineage: where each column comes from is read off the expression, and shown where one looks for it."""

import ibis
from dagster import AssetKey, DagsterEventType

from feedback_assets.column_lineage import sources
from feedback_assets.lake import MARK
from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.enrichers import enriched
from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, INFERENCE_SCHEMA
from tests.assets.world import World

VIEW = f"_{'0' * MARK}"
"""What a table's name ends with once it was read."""


def test_a_column_is_traced_to_what_it_is_worked_out_of() -> None:
    """Through joins and windows, as far as the tables of the lake; what only picks rows is no part of a value."""
    feedback, inferences = (
        ibis.table(ibis.Schema.from_pyarrow(schema), name=name + VIEW)
        for name, schema in (("feedback_events", FEEDBACK_SCHEMA), ("inferences", INFERENCE_SCHEMA))
    )

    found = sources(enriched(attributed(feedback, inferences), inferences))

    assert found["entropy"] == {("inferences", "probabilities")}
    assert found["session_position"] == {("feedback_events", "log_offset"), ("feedback_events", "project_id"),
                                         ("feedback_events", "session_id")}  # fmt: skip
    assert {("feedback_events", "label"), ("inferences", "answer_label")} <= found["correct"]
    assert ("feedback_events", "feedback_value") not in found["correct"]


def test_the_ui_is_told(world: World) -> None:
    """The main tables carry schema and lineage in the metadata that Dagster draws them from."""
    world.live(4, right=1.0)

    result = world.refresh()

    told = {
        event.asset_key: event.step_materialization_data.materialization.metadata
        for event in result.all_events
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION
    }
    for name in ("attributed_feedback", "enriched_feedback", "feedback_metrics", "labeled_set"):
        metadata = told[AssetKey(name)]
        columns = {column.name for column in metadata["dagster/column_schema"].value.columns}
        lineage = metadata["dagster/column_lineage"].value.deps_by_column
        assert lineage.keys() <= columns
        upstream = {dep.asset_key.to_user_string() for deps in lineage.values() for dep in deps}
        assert upstream and upstream <= {"validated_feedback", "feedback_events", "inferences", "attributed_feedback",
                                         "enriched_feedback", "judged_answers"}  # fmt: skip
    [dep] = told[AssetKey("labeled_set")]["dagster/column_lineage"].value.deps_by_column["inputs"]
    assert (dep.asset_key, dep.column_name) == (AssetKey("enriched_feedback"), "inputs")
