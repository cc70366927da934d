"""Running expectations over columns, by Great Expectations' engine and validator; nothing is stored, nobody is told."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_ingest.settings import decline_telemetry

if TYPE_CHECKING:
    import pyarrow as pa
    from great_expectations.expectations import Expectation


def run(asked: "Mapping[str, Expectation]", columns: Mapping[str, str], rows: "pa.Table") -> dict[str, Any]:
    """Great Expectations' results by rule; `columns` says what each rule looks at.

    Each column is a batch by itself, because rows without a value are taken out of a whole batch; and batches are
    handed to the engine, because a data source would fingerprint every value twice first.
    """
    decline_telemetry()
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.execution_engine.pandas_batch_data import PandasBatchData
    from great_expectations.validator.validator import Validator

    engine = PandasExecutionEngine()
    for column in {columns[name] for name in asked}:
        engine.load_batch_data(column, PandasBatchData(engine, rows.select([column]).to_pandas()))
    validator = Validator(execution_engine=engine)
    validator.metrics_calculator.show_progress_bars = False
    configurations = []
    for name, expectation in asked.items():
        configuration = expectation.configuration
        configuration.kwargs["batch_id"] = columns[name]
        configuration.meta = {"rule": name}
        configurations.append(configuration)
    results = validator.graph_validate(configurations, runtime_configuration={"result_format": "BASIC"})
    return {one.expectation_config.meta["rule"]: one for one in results if one.expectation_config}
