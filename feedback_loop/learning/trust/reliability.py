"""Reliability: how often an end user's labels and thumbs agree with what is known, or else with what others say."""

from typing import TYPE_CHECKING

from feedback_loop.learning.influence import LIKING

if TYPE_CHECKING:
    import ibis

LABELLING = ("explicit_label", "explicit_correction")
LEAST_PEERS = 2
"""Other users who must have answered the same question where nothing is known: one other may be the one who errs."""


def agreements(feedback: "ibis.Table") -> "ibis.Table":
    """By project_id and user_ref how many statements were compared (`asked`), and how many agreed (`right`).

    `feedback` is of ATTRIBUTED_SCHEMA. Compared is a user's last label or thumb on an inference: with the
    ground truth, else with the newest verdict of reviewers, else with what most of at least two others said.
    """
    import ibis

    settled = feedback.filter(feedback.state == "attributed", ~feedback.is_undone, ~feedback.is_retraction)
    votes = _votes(settled)
    known = _known(settled)
    asked = votes.left_join(known, ["project_id", "inference_request_id"], rname="k_{name}")
    liked_rightly = (asked.answer == "good") == (asked.known == asked.answer_label)
    by_truth = ibis.ifelse(asked.is_label, asked.answer == asked.known, liked_rightly)
    unit = ["project_id", "inference_request_id", "is_label"]
    asked = asked.mutate(
        by_truth=ibis.ifelse(asked.known.isnull(), None, by_truth),
        others=asked.count().over(group_by=unit) - 1,
        same=asked.count().over(group_by=[*unit, "answer"]) - 1,
    )
    is_told = (asked.others >= LEAST_PEERS) & (2 * asked.same != asked.others)
    agrees = asked.by_truth.coalesce(ibis.ifelse(is_told, 2 * asked.same > asked.others, None))
    asked = asked.mutate(agrees=agrees)
    return asked.group_by(["project_id", "user_ref"]).agg(
        asked=asked.agrees.count(), right=asked.agrees.cast("int64").sum().fill_null(0)
    )


def _votes(settled: "ibis.Table") -> "ibis.Table":
    """Each end user's last answer to whether an answer is liked, and to what it should have been."""
    import ibis

    said = settled.filter(
        settled.source_kind == "end_user",
        settled.user_ref.notnull(),
        settled.feedback_type.isin((*LABELLING, *LIKING)),
    )
    is_label = said.feedback_type.isin(LABELLING)
    said = said.mutate(
        is_label=is_label, answer=ibis.ifelse(is_label, said.label, ibis.ifelse(said.reward >= 0.5, "good", "bad"))
    )
    said = said.filter(said.answer.notnull())
    by_user = ["project_id", "inference_request_id", "user_ref", "is_label"]
    last = ibis.row_number().over(group_by=by_user, order_by=ibis.desc("log_offset"))
    said = said.mutate(place=last).filter(lambda rows: rows.place == 0)
    return said.select(*by_user, "answer", "answer_label")


def _known(settled: "ibis.Table") -> "ibis.Table":
    """The label of each inference that turned out to be true, or that reviewers agreed on."""
    import ibis

    told = settled.filter(settled.feedback_type.isin(("ground_truth", "review_label")), settled.label.notnull())
    unit = ["project_id", "inference_request_id"]
    order = [told.feedback_type, ibis.desc("log_offset")]
    told = told.mutate(place=ibis.row_number().over(group_by=unit, order_by=order))
    return told.filter(told.place == 0).select(*unit, known="label")
