"""Attribution: which inference a feedback speaks of, whether in time, and whether its answer was right.

The functions serve the stream one event at a time, the expression serves partitions of millions, and a property test
holds them to one meaning. Nothing here depends on the order of arrival or on a clock: what is over is told by times of
events and by `newest`, the newest time of receipt in the log.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from feedback_loop.learning.policies.attribution import DEFAULT, ENDLESS, Terms, Waits, policy_at

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue, IntegerValue, StringValue

State = Literal["pending", "attributed", "held", "late", "orphaned", "mismatched"]
"""`held` is said by the stream of what would be attributed but breaks a rule that its project blocks (`demands`); the
graph sets such a row aside before it is attributed."""

NO_WAITS: Waits = {}

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


def attribute(
    feedback: Mapping[str, Any],
    inference: Mapping[str, Any] | None,
    waits: Waits = NO_WAITS,
    newest: datetime | None = None,
) -> Attribution:
    """Links a feedback row to its inference row (same project and inference_request_id), or to None: pending, and once
    `newest` is past `due_at` orphaned.

    Of the feedback it reads project_id, log_offset, feedback_type, metric, model_name, model_version, label, text and
    its times; of the inference log_offset, model_name, model_version, answer_label, answer_text, occurred_at. One that
    names another model than the logged one, or is about something that had not happened, is mismatched: it keeps what
    it said and is judged neither right nor wrong. One that came after its wait is late.
    """
    named = feedback["model_name"]
    if inference is None:
        is_over = newest is not None and newest >= due_at(feedback, waits)
        return Attribution("orphaned" if is_over else "pending", None, named or DEFAULT_MODEL, None, None)
    offset, answer = inference["log_offset"], inference["answer_label"]
    logged = inference["model_name"]
    terms = _terms(feedback, offset, waits)
    names_other = feedback["model_version"] != inference["model_version"] or (named is not None and named != logged)
    if names_other or _is_early(feedback, inference, terms):
        return Attribution("mismatched", offset, named or logged, None, answer)
    state: State = "late" if _is_late(feedback, inference, terms) else "attributed"
    return Attribution(state, offset, logged, is_correct(feedback, answer, inference["answer_text"]), answer)


def due_at(feedback: Mapping[str, Any], waits: Waits = NO_WAITS) -> datetime:
    """When a feedback whose inference is still unknown is orphaned, in time of receipt."""
    policy = policy_at(waits, feedback["project_id"], feedback["log_offset"]) if waits else DEFAULT
    return moment(feedback["received_at"]) + timedelta(seconds=policy.orphan_s)


def moment(told: datetime | str) -> datetime:
    """A time of a row; in one that was read back from a table it is text."""
    return datetime.fromisoformat(told) if isinstance(told, str) else told


def _terms(feedback: Mapping[str, Any], inference_offset: int, waits: Waits) -> Terms:
    if not waits:
        return ENDLESS
    return policy_at(waits, feedback["project_id"], inference_offset).metrics.get(feedback["metric"], ENDLESS)


def _is_early(feedback: Mapping[str, Any], inference: Mapping[str, Any], terms: Terms) -> bool:
    if terms.early_s is None:
        return False
    return moment(feedback["occurred_at"]) + timedelta(seconds=terms.early_s) < moment(inference["occurred_at"])


def _is_late(feedback: Mapping[str, Any], inference: Mapping[str, Any], terms: Terms) -> bool:
    if terms.wait_s is None:
        return False
    return moment(feedback["occurred_at"]) > moment(inference["occurred_at"]) + timedelta(seconds=terms.wait_s)


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


def attributed(
    feedback: "ibis.Table",
    inferences: "ibis.Table",
    undoing: "ibis.Table | None" = None,
    waits: Waits = NO_WAITS,
    newest: datetime | None = None,
) -> "ibis.Table":
    """`feedback` (FEEDBACK_SCHEMA) with what `attribute` and `undoes` say of each row (ATTRIBUTED_SCHEMA).

    model_name is resolved in place. `undoing` holds the feedback rows that may undo (those with a target_feedback_id);
    give it when `feedback` is a part of the log, because they may stand in another part. Default: `feedback` itself.
    """
    import ibis

    table = _with_inferences(feedback, inferences)
    undone = _undone(feedback, feedback if undoing is None else undoing)
    table = table.left_join(undone, table.log_offset == undone.undone_offset)
    same_name = table.model_name.isnull() | (table.model_name == table.a_name)
    matches = same_name & (table.model_version == table.a_version) & ~_early(table, waits)
    state = ibis.cases(
        (table.inference_offset.isnull(), _unlinked(table, waits, newest)),
        (matches, _late(table, waits).ifelse("late", "attributed")),
        else_="mismatched",
    )
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


def _unlinked(table: "ibis.Table", waits: Waits, newest: datetime | None) -> "StringValue":
    """`pending` or `orphaned`, for feedback without an inference."""
    import ibis

    if newest is None:
        return ibis.literal("pending")
    branches = []
    for project_id, policies in waits.items():
        for placed in reversed(policies):
            counts = (table.project_id == project_id) & (table.log_offset > placed.log_offset)
            branches.append((counts, ibis.literal(placed.policy.orphan_s)))
    orphan_s = ibis.cases(*branches, else_=DEFAULT.orphan_s) if branches else ibis.literal(DEFAULT.orphan_s)
    due = table.received_at + orphan_s.cast("int64").as_interval("s")
    return (due <= ibis.literal(newest)).ifelse("orphaned", "pending")


def _early(table: "ibis.Table", waits: Waits) -> "BooleanValue":
    early_s = _of_terms(table, waits, "early_s")
    return (table.occurred_at + early_s.as_interval("s") < table.a_occurred).fill_null(False)


def _late(table: "ibis.Table", waits: Waits) -> "BooleanValue":
    wait_s = _of_terms(table, waits, "wait_s")
    return (table.occurred_at > table.a_occurred + wait_s.as_interval("s")).fill_null(False)


def _of_terms(table: "ibis.Table", waits: Waits, name: str) -> "IntegerValue":
    """A field of the terms that count for each row's inference; null where there is none."""
    import ibis

    branches = []
    for project_id, policies in waits.items():
        for placed in reversed(policies):
            counts = (table.project_id == project_id) & (table.inference_offset > placed.log_offset)
            for metric, terms in placed.policy.metrics.items():
                branches.append((counts & (table.metric == metric), _integer(getattr(terms, name))))
            branches.append((counts, _integer(None)))
    return ibis.cases(*branches, else_=_integer(None)) if branches else _integer(None)


def _integer(number: int | None) -> "IntegerValue":
    import ibis

    return ibis.null("int64") if number is None else ibis.literal(number, "int64")


def _with_inferences(feedback: "ibis.Table", inferences: "ibis.Table") -> "ibis.Table":
    answers = inferences.select(
        a_project=inferences.project_id,
        a_request=inferences.inference_request_id,
        a_name=inferences.model_name,
        a_version=inferences.model_version,
        a_text=inferences.answer_text,
        a_occurred=inferences.occurred_at,
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
