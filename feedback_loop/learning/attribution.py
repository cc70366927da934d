"""Attribution: which inference a feedback speaks of, and whether its answer was right.

The functions serve the stream one event at a time, the expression serves partitions of millions, and a property test
holds them to one meaning. Nothing here depends on the order of arrival or on a clock.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import ibis

State = Literal["pending", "attributed", "mismatched"]

DEFAULT_MODEL = "default"
"""The model's name where neither the feedback nor the inference gives one."""

TRUSTED_UNDOERS = ("reviewer", "system")
"""Sources that may undo anybody's feedback; everybody else only their own."""

TEXTUAL_ANSWERS = ("explicit_correction", "explicit_binary", "ground_truth", "review_label")
"""Types whose text says what the answer should have been; the text of any other type is a remark."""


class Attribution(NamedTuple):
    """What is known of one feedback once the log has been read: the columns that attribution adds to its row."""

    state: State
    inference_offset: int | None
    model_name: str
    correct: bool | None
    answer_label: str | None


def attribute(feedback: Mapping[str, Any], inference: Mapping[str, Any] | None) -> Attribution:
    """Links a feedback row to its inference row (same project and inference_request_id), or to None: pending.

    Of the feedback it reads feedback_type, model_name, model_version, label, text; of the inference log_offset,
    model_name, model_version, answer_label, answer_text. A feedback that names another model than the logged one is
    mismatched: it keeps what it said and is judged neither right nor wrong.
    """
    named = feedback["model_name"]
    if inference is None:
        return Attribution("pending", None, named or DEFAULT_MODEL, None, None)
    offset, answer = inference["log_offset"], inference["answer_label"]
    logged = inference["model_name"]
    if feedback["model_version"] != inference["model_version"] or (named is not None and named != logged):
        return Attribution("mismatched", offset, named or logged, None, answer)
    correct = is_correct(feedback, answer, inference["answer_text"])
    return Attribution("attributed", offset, logged, correct, answer)


def is_correct(feedback: Mapping[str, Any], answer_label: str | None, answer_text: str | None) -> bool | None:
    """Whether the answer agrees with the feedback's label (JSON text), or where it has none with its text.

    None where there is nothing to compare: a list of labels, for one, is not compared with one answer.
    """
    label, text = feedback["label"], feedback["text"]
    if label is not None:
        if answer_label is None or label.startswith("["):
            return None
        return label == answer_label
    if text is None or answer_text is None or feedback["feedback_type"] not in TEXTUAL_ANSWERS:
        return None
    return text == answer_text


def undoes(undoing: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Whether the feedback row `undoing` (a retraction, or an edit that supersedes) undoes the feedback row `target`.

    Only its own author may undo a feedback (the same user_ref, or neither has one), or a reviewer, or the system. It
    counts whichever of the two came first, and it is final: undoing the undoing event brings nothing back.
    Of both it reads project_id, feedback_id, user_ref; of `undoing` also target_feedback_id and source_kind.
    """
    return (
        undoing["target_feedback_id"] == target["feedback_id"]
        and undoing["project_id"] == target["project_id"]
        and undoing["feedback_id"] != target["feedback_id"]
        and (undoing["user_ref"] == target["user_ref"] or undoing["source_kind"] in TRUSTED_UNDOERS)
    )


def attributed(feedback: "ibis.Table", inferences: "ibis.Table", undoing: "ibis.Table | None" = None) -> "ibis.Table":
    """`feedback` (FEEDBACK_SCHEMA) with what `attribute` and `undoes` say of each row (ATTRIBUTED_SCHEMA).

    model_name is resolved in place. `undoing` holds the feedback rows that may undo (those with a target_feedback_id);
    give it when `feedback` is a part of the log, because they may stand in another part. Default: `feedback` itself.
    """
    import ibis

    table = _with_inferences(feedback, inferences)
    undone = _undone(feedback, feedback if undoing is None else undoing)
    table = table.left_join(undone, table.log_offset == undone.undone_offset)
    same_name = table.model_name.isnull() | (table.model_name == table.a_name)
    matches = same_name & (table.model_version == table.a_version)
    state = ibis.cases((table.inference_offset.isnull(), "pending"), (matches, "attributed"), else_="mismatched")
    judged = ibis.cases(
        (~matches.fill_null(False), ibis.null("boolean")),
        (table.label.startswith("["), ibis.null("boolean")),
        (table.label.notnull(), table.label == table.answer_label),
        (table.feedback_type.isin(TEXTUAL_ANSWERS), table.text == table.a_text),
        else_=ibis.null("boolean"),
    )
    return table.select(
        *(name for name in feedback.columns if name != "model_name"),
        model_name=ibis.coalesce(table.model_name, table.a_name, DEFAULT_MODEL),
        state=state,
        inference_offset=table.inference_offset,
        correct=judged,
        answer_label=table.answer_label,
        is_undone=table.undone_offset.notnull(),
    ).select(*feedback.columns, "state", "inference_offset", "correct", "answer_label", "is_undone")


def _with_inferences(feedback: "ibis.Table", inferences: "ibis.Table") -> "ibis.Table":
    answers = inferences.select(
        a_project=inferences.project_id,
        a_request=inferences.inference_request_id,
        a_name=inferences.model_name,
        a_version=inferences.model_version,
        a_text=inferences.answer_text,
        answer_label=inferences.answer_label,
        inference_offset=inferences.log_offset,
    )
    same = [feedback.project_id == answers.a_project, feedback.inference_request_id == answers.a_request]
    return feedback.left_join(answers, same)


def _undone(feedback: "ibis.Table", undoing: "ibis.Table") -> "ibis.Table":
    """The offsets of the rows of `feedback` that some row of `undoing` undoes."""
    by = undoing.filter(undoing.target_feedback_id.notnull()).select(
        by_project=undoing.project_id,
        by_id=undoing.feedback_id,
        by_user=undoing.user_ref,
        by_kind=undoing.source_kind,
        by_target=undoing.target_feedback_id,
    )
    pairs = feedback.inner_join(
        by,
        [
            feedback.project_id == by.by_project,
            feedback.feedback_id == by.by_target,
            feedback.feedback_id != by.by_id,
            feedback.user_ref.identical_to(by.by_user) | by.by_kind.isin(TRUSTED_UNDOERS),
        ],
    )
    return pairs.select(undone_offset=pairs.log_offset).distinct()
