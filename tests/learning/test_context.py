"""Context: which answer of a source counts for a feedback is the same in the function and the expression."""

import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.learning.context import Answer, Asked, answer_rows, context_of, contexts
from feedback_loop.learning.schemas import ATTRIBUTED_SCHEMA, CONTEXT_SCHEMA
from tests.learning.worlds import engine, logged
from tests.learning.worlds import given as said

ASKED = [Asked("segments", "user_ref"), Asked("features", "inference_request_id")]
LINKED, ANSWERS = (
    ibis.table(ibis.Schema.from_pyarrow(schema), name=name)
    for name, schema in (("linked", ATTRIBUTED_SCHEMA), ("answers", CONTEXT_SCHEMA))
)
SQL = str(ibis.to_sql(contexts(LINKED, ANSWERS, ASKED), dialect="duckdb"))

answers = st.lists(
    st.tuples(st.sampled_from(["segments", "features", "nobody"]), st.sampled_from(["p_1", "r1"]), st.booleans()),
    max_size=12,
)
feedback = st.lists(
    st.tuples(st.integers(1, 30), st.one_of(st.none(), st.integers(1, 30)), st.sampled_from([None, "p_1", "p_2"])),
    max_size=8,
    unique_by=lambda each: each[0],
)


@settings(max_examples=40, deadline=None)
@given(told=answers, rows=feedback, start=st.integers(1, 25))
def test_function_and_expression_agree(told, rows, start):
    """For any feedback and any answers before and after it."""
    known = [
        {**dict.fromkeys(CONTEXT_SCHEMA.names), "log_offset": start + n, "project_id": 1, "source": source,
         "about": about, "answer": f'{{"n":{n}}}' if is_known else None}
        for n, (source, about, is_known) in enumerate(told)
    ]  # fmt: skip
    linked = [
        {**dict.fromkeys(ATTRIBUTED_SCHEMA.names), "log_offset": offset, "project_id": 1, "inference_offset": of,
         "user_ref": user, "inference_request_id": "r1"}
        for offset, of, user in rows
    ]  # fmt: skip
    connection = engine().con
    connection.register("linked", pa.Table.from_pylist(linked, ATTRIBUTED_SCHEMA))
    connection.register("answers", pa.Table.from_pylist(known, CONTEXT_SCHEMA))

    found = {row["e_offset"]: row for row in connection.sql(SQL).to_arrow_table().to_pylist()}

    assert found.keys() == {row["log_offset"] for row in linked if row["inference_offset"] is not None}
    for row in linked:
        for source, about in ASKED:
            mine = [Answer(each["log_offset"], each["answer"]) for each in known
                    if each["source"] == source and each["about"] == row[about]]  # fmt: skip
            if row["inference_offset"] is not None:
                counts = context_of(mine, max(row["log_offset"], row["inference_offset"]))
                assert found[row["log_offset"]][source] == (counts and counts.answer)


def test_a_fact_holds_many_answers():
    """Each becomes a row with its digest; what was missing says why; a fact of another kind has none."""
    answered = {"source": "segments", "version": "7", "answers": [
        {"about": "p_1", "asked_offset": 1, "answer": {"b": 1, "a": "x"}, "digest": "d"},
        {"about": "p_2", "asked_offset": 2, "missing": "timeout"},
    ]}  # fmt: skip
    fact = logged([said("reward", {"reward": 1})])[0]._replace(kind="context_answered", body=answered)

    rows = answer_rows(fact)

    assert [(row["about"], row["answer"], row["digest"], row["missing"]) for row in rows] == [
        ("p_1", '{"a":"x","b":1}', "d", None),
        ("p_2", None, None, "timeout"),
    ]
    assert answer_rows(fact._replace(kind="feedback")) == []
