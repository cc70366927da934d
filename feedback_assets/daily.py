"""Tables of a span of days: what a meaning needs from other days is handed to it here, and no meaning is made."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from feedback_assets.lake import DAY_COLUMN, executed
from feedback_ingest.settings import Settings
from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.enrichers import JUDGED_KEYS, Contexts, judgements, judgements_schema, with_judgements
from feedback_loop.learning.judges import Judges
from feedback_loop.learning.metrics import Registered, metrics_table
from feedback_loop.learning.policies.attribution import Waits
from feedback_loop.learning.segments import admitted
from feedback_loop.stream.contexts.sources_file import asked_sources

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


def attributed_days(
    validated: "ibis.Table",
    feedback: "ibis.Table",
    inferences: "ibis.Table",
    upto_offset: int,
    waits: Waits,
    newest: datetime,
) -> "ibis.Table":
    """Validated feedback of some days with its inference, which may be of any day, as far as `upto_offset`.

    What undoes it may be of any day too, and counts even where it was set aside itself: whoever takes feedback back
    need not keep our rules. So `feedback` and `inferences` are those of all days.
    """
    from feedback_loop.learning.schemas import FEEDBACK_SCHEMA

    undoing = feedback.filter(feedback.target_feedback_id.notnull(), feedback.log_offset <= upto_offset)
    known = inferences.filter(inferences.log_offset <= upto_offset)
    table = attributed(validated.select(FEEDBACK_SCHEMA.names), known, undoing, waits, newest)
    return table.order_by("log_offset")


def context_upto(answers: "ibis.Table", upto_offset: int, settings: Settings) -> Contexts:
    """What the sources of the settings answered (CONTEXT_SCHEMA), as far as `upto_offset`."""
    return Contexts(answers.filter(answers.log_offset <= upto_offset), asked_sources(settings))


def judged_days(inferences: "ibis.Table", judges: Judges, upto_offset: int) -> "pa.RecordBatchReader":
    """What reward models make of the inferences of some days, as far as `upto_offset`; memory does not grow with them.

    Nothing is read of what no judge was in force for.
    """
    import ibis
    import pyarrow as pa

    schema = judgements_schema()
    since = [
        (inferences.project_id == first.project_id)
        & (inferences.model_name == first.model_name)
        & (inferences.log_offset > first.log_offset)
        for first in judges.since()
    ]
    if not since:
        return pa.RecordBatchReader.from_batches(schema, [])
    asked = inferences.filter(ibis.or_(*since), inferences.log_offset <= upto_offset)
    reader = executed(asked.select(*JUDGED_KEYS, "answer_text", "inputs").order_by("log_offset"))
    found = (judgements(batch.to_pylist(), judges) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, (pa.RecordBatch.from_pylist(rows, schema) for rows in found))


def metrics_days(
    enriched: "ibis.Table",
    feedback: "ibis.Table",
    inferences: "ibis.Table",
    days: Sequence[str],
    bucket_s: int,
    registered: Sequence[Registered] = (),
    judged: "ibis.Table | None" = None,
) -> "ibis.Table":
    """Metrics by the day their rows were received, in a column of its own; summed over days they are the whole.

    The tables are those of all days: what several feedback of one inference make together belongs to the inference's
    day, and which segments there are is told by the whole log (`feedback`, set aside or not, and `inferences`).
    `judged` is what reward models make of `inferences`.
    """
    import ibis

    known = admitted(feedback, inferences)
    given = with_judgements(inferences, judged)
    told, asked = (table.mutate({DAY_COLUMN: table.received_at.date()}) for table in (enriched, given))
    table = metrics_table(told, asked, known, bucket_s, registered, by=(DAY_COLUMN,))
    table = table.filter(table[DAY_COLUMN].isin([ibis.date(day) for day in days]))
    keys = ("project_id", "model_name", "model_version", "metric", "segment", "bucket_start")
    return table.select(*(name for name in table.columns if name != DAY_COLUMN), DAY_COLUMN).order_by(keys)
