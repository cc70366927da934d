"""Running expectations over a frame: one ephemeral context, one pass; nothing is stored, nobody is told."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_ingest.settings import decline_telemetry

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations import Expectation


def run(asked: "Mapping[str, Expectation]", frame: "pd.DataFrame") -> dict[str, Any]:
    """Great Expectations' results by rule."""
    decline_telemetry()
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("feedback")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": frame})
    for name, expectation in asked.items():
        expectation.meta = {"rule": name}
    suite = gx.ExpectationSuite(name="feedback", expectations=list(asked.values()))
    results = batch.validate(suite, result_format="BASIC").results
    return {one.expectation_config.meta["rule"]: one for one in results if one.expectation_config}
