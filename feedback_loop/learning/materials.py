"""Materials: the wide columns of the examples that were chosen, fetched once it is known which they are."""

from typing import TYPE_CHECKING

from feedback_loop.learning import dataset_formats
from feedback_loop.learning.dataset_formats import Material
from feedback_loop.learning.membership import KEPT, Members, Sources
from feedback_loop.learning.recipes import Recipe

if TYPE_CHECKING:
    import ibis

SHARED = ("inference_request_id", "model_name", "model_version", "occurred_at", "received_at", "segments")
"""Columns that feedback and inferences both have: the feedback's word, or where nobody spoke the inference's."""

DIGEST = "row_digest"


def referring(members: Members, sources: Sources) -> "ibis.Table":
    """inference_offset, inputs, inputs_ref of the examples whose inputs stand elsewhere."""
    asked = sources.inferences.filter(sources.inferences.inputs.isnull())
    wanted = asked.semi_join(members.chosen, asked.log_offset == members.chosen.inference_offset)
    return wanted.select("inputs", "inputs_ref", inference_offset=wanted.log_offset).order_by("inference_offset")


def examples(members: Members, sources: Sources, recipe: Recipe, read: "ibis.Table") -> "ibis.Table":
    """The rows of the dataset in their order: KEYS, the format's columns, and DIGEST over these and the weight.

    `read` has inference_offset, read_inputs and inputs_sha256 of the inputs that stand elsewhere.
    """
    from feedback_loop.learning.sql_functions import row_text, sha256

    kind = dataset_formats.collect()[recipe.format]()
    kept = members.all.filter(members.all.outcome == KEPT)
    said = sources.feedback.semi_join(kept, sources.feedback.log_offset == kept.feedback_offset)
    chosen = _told(members, sources, recipe, read)
    rows = kind.examples(Material(chosen, said, sources.inferences, recipe.prompt))
    columns = {name: rows[name] for name in (*kind.schema().names, "weight")}
    return rows.mutate(**{DIGEST: sha256(row_text(columns))}).order_by("last_offset", "example", *kind.order)


def _told(members: Members, sources: Sources, recipe: Recipe, read: "ibis.Table") -> "ibis.Table":
    """CHOSEN with the columns of the feedback and of the inference."""
    import ibis

    feedback = sources.feedback.drop("outcome", "inference_offset", "answer_label")
    asked = sources.inferences
    told = members.chosen.left_join(feedback, members.chosen.feedback_offset == feedback.log_offset).drop("log_offset")
    renamed = asked.rename({f"i_{name}": name for name in ("log_offset", "project_id", *SHARED)})
    told = told.left_join(renamed, told.inference_offset == renamed.i_log_offset)
    told = told.left_join(read, "inference_offset")
    named = {name: ibis.coalesce(told[name], told[f"i_{name}"]) for name in SHARED}
    if recipe.silence is not None:
        named["reward"] = ibis.ifelse(told.feedback_offset.isnull(), recipe.silence, told.reward)
    return told.mutate(**named, inputs=ibis.coalesce(told.inputs, told.read_inputs))
