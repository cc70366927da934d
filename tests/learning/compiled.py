"""Datasets of small worlds, compiled in memory: rows of the log in, examples and outcomes out."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import ibis
import pyarrow as pa

from feedback_assets.workbench import workbench
from feedback_ingest.log import LogRow
from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.enrichers import known
from feedback_loop.learning.materials import examples
from feedback_loop.learning.membership import Sources, members
from feedback_loop.learning.recipes import recipe_of
from feedback_loop.learning.rows import feedback_row, inference_row
from tests.learning.worlds import feedback_table, inference_table

NONE_READ = {"inference_offset": pa.int64(), "read_inputs": pa.string(), "inputs_sha256": pa.string()}


class Compiled(NamedTuple):
    """The rows of a dataset, and what became of each feedback, by its offset."""

    rows: list[dict[str, Any]]
    outcomes: dict[int, str]
    table: pa.Table


def sources_of(log: Iterable[LogRow]) -> Sources:
    """What a log says, as far as a compilation wants to know."""
    rows = list(log)
    feedback = feedback_table(row for each in rows if (row := feedback_row(each)))
    inferences = inference_table(row for each in rows if (row := inference_row(each)))
    return Sources(attributed(feedback, inferences).mutate(outcome=ibis.null("string")), known(inferences))


def compiled(sources: Sources, **recipe: Any) -> Compiled:
    """The dataset of a recipe; without a golden share there is as good as nothing held out."""
    wanted = recipe_of({"model_name": "default", "golden_share": 1e-9, **recipe}, 1e-9)
    read = ibis.memtable(pa.table({name: pa.array([], kind) for name, kind in NONE_READ.items()}))
    with workbench() as bench:
        found = members(sources, wanted, 1, bench)
        table = bench.reader(examples(found, sources, wanted, read)).read_all()
        outcomes = {row["feedback_offset"]: row["outcome"] for row in bench.rows(found.all)}
    return Compiled(table.to_pylist(), outcomes, table)
