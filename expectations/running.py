"""Running expectations over columns, by Great Expectations' engine and validator; nothing is stored, nobody is told."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_ingest.settings import decline_telemetry

if TYPE_CHECKING:
    import pyarrow as pa
    from great_expectations.expectations import Expectation


def run(asked: "Mapping[str, Expectation]", values: "Mapping[str, pa.ChunkedArray]") -> dict[str, Any]:
    """Great Expectations' results by rule; `values` is what each rule looks at, whose expectation names the column.

    Each is a batch by itself, because rows without a value are taken out of a whole batch; and batches are handed to
    the engine, because a data source would fingerprint every value twice first.
    """
    decline_telemetry()
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.execution_engine.pandas_batch_data import PandasBatchData
    from great_expectations.validator.validator import Validator

    engine = PandasExecutionEngine()
    validator = Validator(execution_engine=engine)
    validator.metrics_calculator.show_progress_bars = False
    configurations = []
    for name, expectation in asked.items():
        configuration = expectation.configuration
        frame = values[name].to_pandas().to_frame(configuration.kwargs.get("column", name))
        engine.load_batch_data(name, PandasBatchData(engine, frame))
        configuration.kwargs["batch_id"], configuration.meta = name, {"rule": name}
        configurations.append(configuration)
    results = validator.graph_validate(configurations, runtime_configuration={"result_format": "BASIC"})
    return {one.expectation_config.meta["rule"]: one for one in results if one.expectation_config}
