"""Weighting a dataset's examples as traffic was, and refusing one that no weights make representative."""

from typing import TYPE_CHECKING

from feedback_assets.workbench import Workbench
from feedback_ingest.errors import FeedbackError
from feedback_loop.learning.bias.balancing import Balance, balance, counted
from feedback_loop.learning.membership import Members, Sources
from feedback_loop.learning.recipes import Recipe
from feedback_loop.learning.segments import Admitted, admitted

if TYPE_CHECKING:
    import ibis


class Unrepresentative(FeedbackError):
    """The labelled rows speak for too little of the traffic; collect labels where they are missing."""

    code = "unrepresentative"


def balanced(
    found: Members, sources: Sources, recipe: Recipe, project_id: int, bench: Workbench, most: float
) -> tuple[Members, Balance]:
    """Members with weights that spread the examples over segments as the model's traffic was.

    Traffic is what the model answered from the first of the examples' inferences on. Raises Unrepresentative where the
    weights leave a population stability index above `most`; 0 allows any.
    """
    if "traffic" not in recipe.weights:
        return found, Balance({}, ())
    asked = sources.inferences
    first = bench.rows(found.chosen.agg(offset=found.chosen.inference_offset.min()))[0]["offset"] or 0
    mine = asked.filter(
        asked.project_id == project_id, asked.model_name == recipe.model_name, asked.log_offset >= first
    )
    served = counted(mine)
    if served.keys() <= {None}:
        return found, Balance({}, ())
    segments = mine.select("segments", asked_offset=mine.log_offset)
    told = found.chosen.left_join(segments, found.chosen.inference_offset == segments.asked_offset)
    known = bench.rows(admitted(mine).order_by("name", "value"))
    names = Admitted((each["project_id"], each["name"], each["value"]) for each in known)
    made = balance(project_id, served, counted(told), names)
    worst = made.worst
    if worst is not None and 0 < most < worst.after.value:
        raise Unrepresentative(
            f"by {worst.name} the rows of {recipe.model_name} are spread otherwise than its traffic even when weighted:"
            f" PSI {worst.after.value:.2f}, and at most {most:g} is allowed (FEEDBACK_DATASET_MOST_PSI);"
            f" collect labels where they are missing, or allow more"
        )
    return found._replace(chosen=bench.hold(_weighed(told, made), "balanced")), made


def _weighed(told: "ibis.Table", made: Balance) -> "ibis.Table":
    """The examples, their weights multiplied by those of their segments."""
    import ibis
    import pyarrow as pa

    columns = {
        "text": pa.array(["" if text is None else text for text in made.weights], pa.string()),
        "factor": pa.array(made.weights.values(), pa.float64()),
    }
    factors = ibis.memtable(pa.table(columns))
    joined = told.left_join(factors, told.segments.fill_null("") == factors.text)
    weight = joined.weight * joined.factor.fill_null(1.0)
    return joined.mutate(weight=weight).drop("segments", "asked_offset", "text", "factor")
