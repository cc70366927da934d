"""Tables of a span of days: what a meaning needs from other days is handed to it here, and no meaning is made."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from feedback_assets.lake import DAY_COLUMN
from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.metrics import metrics_table

if TYPE_CHECKING:
    import ibis


def attributed_days(
    validated: "ibis.Table", feedback: "ibis.Table", inferences: "ibis.Table", upto_offset: int
) -> "ibis.Table":
    """Validated feedback of some days with its inference, which may be of any day, as far as `upto_offset`.

    What undoes it may be of any day too, and counts even where it was set aside itself: whoever takes feedback back
    need not keep our rules. So `feedback` and `inferences` are those of all days.
    """
    from feedback_loop.learning.schemas import FEEDBACK_SCHEMA

    undoing = feedback.filter(feedback.target_feedback_id.notnull(), feedback.log_offset <= upto_offset)
    known = inferences.filter(inferences.log_offset <= upto_offset)
    return attributed(validated.select(FEEDBACK_SCHEMA.names), known, undoing).order_by("log_offset")


def metrics_days(enriched: "ibis.Table", inferences: "ibis.Table", days: Sequence[str], bucket_s: int) -> "ibis.Table":
    """Metrics by the day their rows were received, in a column of its own; summed over days they are the whole."""
    import ibis

    parts = []
    for day in days:
        of_day = [table.filter(table.received_at.date() == ibis.date(day)) for table in (enriched, inferences)]
        parts.append(metrics_table(of_day[0], of_day[1], bucket_s).mutate({DAY_COLUMN: ibis.date(day)}))
    return ibis.union(*parts).order_by("project_id", "model_name", "model_version", "metric", "bucket_start")
