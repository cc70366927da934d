"""Weighting a dataset's rows as traffic was, and refusing one that no weights make representative."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feedback_ingest.errors import FeedbackError
from feedback_loop.learning.bias.balancing import Balance, balance, counted
from feedback_loop.learning.datasets import Recipe
from feedback_loop.learning.segments import Admitted, admitted

if TYPE_CHECKING:
    import ibis


class Unrepresentative(FeedbackError):
    """The labelled rows speak for too little of the traffic; collect labels where they are missing."""

    code = "unrepresentative"


def balanced(
    rows: Sequence[Mapping[str, Any]], inferences: "ibis.Table", recipe: Recipe, log_offset: int, most: float
) -> tuple[list[dict[str, Any]], Balance]:
    """`rows` (LABELED_SCHEMA) of one model with weights that spread them over segments as its traffic was.

    Traffic is what the model answered (INFERENCE_SCHEMA) from the first of the rows up to `log_offset`. Raises
    Unrepresentative where the weights leave a population stability index above `most`; 0 allows any.
    """
    first = min((row["inference_offset"] for row in rows), default=log_offset)
    mine = [inferences.project_id == recipe.project_id, inferences.model_name == recipe.model_name]
    asked = inferences.filter(*mine, inferences.log_offset.between(first, log_offset))
    served = counted(asked)
    if served.keys() <= {None}:
        return [dict(row) for row in rows], Balance({}, ())
    texts = _segments(rows, asked)
    known = admitted(asked).order_by("name", "value").to_pyarrow().to_pylist()
    found = balance(recipe.project_id, served, Counter(texts), _admitted(known))
    worst = found.worst
    if worst is not None and 0 < most < worst.after.value:
        raise Unrepresentative(
            f"by {worst.name} the rows of {recipe.model_name} are spread otherwise than its traffic even when weighted:"
            f" PSI {worst.after.value:.2f}, and at most {most:g} is allowed (FEEDBACK_DATASET_MOST_PSI);"
            f" collect labels where they are missing, or allow more"
        )
    weighed = [
        dict(row) | {"weight": row["weight"] * found.weights[text]} for row, text in zip(rows, texts, strict=True)
    ]
    return weighed, found


def _segments(rows: Sequence[Mapping[str, Any]], asked: "ibis.Table") -> list[str | None]:
    """The segments of each row's inference."""
    import ibis
    import pyarrow as pa

    offsets = [row["inference_offset"] for row in rows]
    wanted = ibis.memtable(pa.table({"log_offset": pa.array(offsets, pa.int64())}))
    found = asked.semi_join(wanted, "log_offset").select("log_offset", "segments").to_pyarrow().to_pylist()
    by_offset = {each["log_offset"]: each["segments"] for each in found}
    return [by_offset.get(offset) for offset in offsets]


def _admitted(known: Sequence[Mapping[str, Any]]) -> Admitted:
    return Admitted((each["project_id"], each["name"], each["value"]) for each in known)
