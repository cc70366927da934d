"""Context: what sources outside the log answer about a person or an inference, once their answers are facts in it.

An answer counts for the feedback that was linked to its inference after it, the newest for the latest; a feedback that
was linked before any answer gets the first one that follows. So what a feedback is told rests on the order of the log
alone: whoever reads it again asks nobody.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from feedback_ingest.log import LogRow
from feedback_loop.learning.rows import json_text

if TYPE_CHECKING:
    import ibis

CONTEXT_ANSWERED = "context_answered"

About = Literal["user_ref", "inference_request_id"]
"""The column of a feedback that names what a source is asked about."""


class Answer(NamedTuple):
    """One answer of a source: its place in the log, and what it says as JSON text; None where it had nothing to say."""

    log_offset: int
    answer: str | None


class Asked(NamedTuple):
    """A source that is asked, by name, and what it is asked about."""

    source: str
    about: About


def answer_rows(row: LogRow) -> list[dict[str, Any]]:
    """The columns of CONTEXT_SCHEMA for each answer of a fact of kind `context_answered`; none for any other."""
    if row.kind != CONTEXT_ANSWERED:
        return []
    return [
        {
            "log_offset": row.log_offset,
            "project_id": row.project_id,
            "source": row.body["source"],
            "about": told["about"],
            "received_at": row.received_at,
            "version": row.body.get("version"),
            "digest": told.get("digest"),
            "answer": json_text(told["answer"]) if "answer" in told else None,
            "missing": told.get("missing"),
        }
        for told in row.body["answers"]
    ]


def context_of(answers: Iterable[Answer], linked_offset: int) -> Answer | None:
    """Which of the answers about one thing counts for a feedback whose inference was known at `linked_offset`.

    Of those before it the newest that says something, else the newest; else the first after it; None where none is.
    """
    before: list[Answer] = []
    after: list[Answer] = []
    for each in answers:
        (before if each.log_offset <= linked_offset else after).append(each)
    known = [each for each in before if each.answer is not None]
    if before:
        return max(known or before, key=lambda each: each.log_offset)
    return min(after, key=lambda each: each.log_offset, default=None)


def contexts(linked: "ibis.Table", answers: "ibis.Table", asked: Sequence[Asked]) -> "ibis.Table":
    """For each row of `linked` whose inference is known: `log_offset`, and `context_of` it as one column a source.

    `answers` is CONTEXT_SCHEMA; a column holds JSON text, null where nothing is known.
    """
    import ibis

    known = linked.filter(linked.inference_offset.notnull())
    known = known.mutate(linked_offset=ibis.greatest(known.log_offset, known.inference_offset))
    table = known.select(e_offset=known.log_offset)
    for each in asked:
        said = answers.filter(answers.source == each.source).select(
            "project_id", "about", answer_offset=answers.log_offset, answer=answers.answer
        )
        pairs = known.inner_join(said, [known.project_id == said.project_id, known[each.about] == said.about])
        is_before = pairs.answer_offset <= pairs.linked_offset
        rank = ibis.cases(
            (is_before & pairs.answer.notnull(), pairs.answer_offset + BEFORE),
            (is_before, pairs.answer_offset),
            else_=-pairs.answer_offset,
        )
        best = pairs.group_by("log_offset").agg(answer=pairs.answer.argmax(rank))
        best = best.select(b_offset=best.log_offset, **{each.source: best.answer})
        table = table.left_join(best, table.e_offset == best.b_offset).drop("b_offset")
    return table


BEFORE = 1 << 62
"""Lifts an answer that came in time, and says something, above all others."""
