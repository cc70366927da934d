"""Enrichment: what is added from the inference is the same in the function and the expression."""

from datetime import timedelta

import ibis
import pyarrow as pa
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.enrichers import collect_history, enrich, enriched, known
from feedback_loop.learning.enrichers import text as text_enricher
from feedback_loop.learning.rows import feedback_row, inference_row, json_text
from feedback_loop.learning.schemas import ENRICHED_SCHEMA, FEEDBACK_SCHEMA
from tests.learning.worlds import NOON, Prepared, answered, at, engine, feedback_table, found, given, inference_table

ENRICHED = Prepared(lambda feedback, inferences: enriched(attributed(feedback, inferences), inferences))
NOBODY = inference_table([])
SOME, EVERY = (ibis.table(ibis.Schema.from_pyarrow(FEEDBACK_SCHEMA), name=name) for name in ("some", "every"))
HISTORY = {
    name: str(ibis.to_sql(enricher().expression(SOME, EVERY), dialect="duckdb"))
    for name, enricher in collect_history().items()
}

probabilities = st.one_of(st.none(), st.lists(st.one_of(st.just(0.0), st.floats(0, 1)), max_size=12))


texts = st.sampled_from([
    None, "", " ", "short", "Das Paket kam gestern an und war leider beschädigt.",
    "a\x01\x02 broken parcel came yesterday",
    "昨日届いた荷物が壊れていたので返品したいのですが、誰も電話に出ません。", "12345 67890 12345 67890 12345",
    "The parcel arrived\twhile nobody was at home. " * 9,
]) | st.text(max_size=60)  # fmt: skip
asked = st.one_of(
    st.none(), texts.map(json_text), texts.map(lambda each: json_text({"text": each})),
    st.sampled_from(['{"a":{"text":"nested, which is not looked at"}}', '["a list"]', '{"pixels":[1]}', '{"text":7}']),
)  # fmt: skip
confidences = st.none() | st.floats(0, 1)


@settings(max_examples=40, deadline=None)
@given_any(rows=st.lists(st.tuples(probabilities, confidences, texts, asked), max_size=20))
def test_function_and_expression_agree(rows):
    """Every enricher's values are equal to the last digit, for any probabilities and texts or none."""
    plain = inference_row(answered("a"))
    inferences = [
        plain
        | {"inference_request_id": f"r{n}", "log_offset": n, "probabilities": p, "confidence": c, "answer_text": t}
        | {"inputs": i}
        for n, (p, c, t, i) in enumerate(rows)
    ]
    spoken = feedback_row(given("explicit_binary", {"positive": True}))
    feedback = [spoken | {"inference_request_id": f"r{n}", "log_offset": 100 + n} for n in range(len(rows))]

    table = {row["inference_request_id"]: row for row in ENRICHED(feedback, inferences)}

    for inference in inferences:
        expected = enrich(inference)
        expected["missing"] = sorted([*expected["missing"], "session"])
        row = table[inference["inference_request_id"]]
        assert {name: row[name] for name in expected} == expected


said = st.tuples(
    st.sampled_from([None, "s1", "s2"]),
    st.sampled_from([1, 2]),
    st.sampled_from([("explicit_binary", {"positive": False}), ("explicit_binary", {"positive": True}),
                     ("explicit_rating", {"score": 2}), ("implicit_click", {"item_id": "i", "clicked": False})]),
    st.integers(0, 10**9),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given_any(said=st.lists(said, max_size=20), part=st.integers(0, 20))
def test_a_session_is_told_alike_by_both_drivers(said, part):
    """What came before in a session is the same in the function and in the expression over any part of the log."""
    rows = [
        feedback_row(given(kind, value, f"f{n}", user_context={"session_id": session} if session else {}))
        | {"log_offset": n, "project_id": project, "received_at": NOON + timedelta(microseconds=gap)}
        for n, (session, project, (kind, value), gap) in enumerate(said)
    ]
    some = [row for row in rows if row["log_offset"] >= part]
    connection = engine().con
    connection.register("some", pa.Table.from_pylist(some, schema=FEEDBACK_SCHEMA))
    connection.register("every", pa.Table.from_pylist(rows, schema=FEEDBACK_SCHEMA))

    for name, sql in HISTORY.items():
        enricher = collect_history()[name]()
        found = {row.pop("log_offset"): row for row in connection.sql(sql).to_arrow_table().to_pylist()}
        for row in some:
            place = row["log_offset"]
            expected = enricher.enrich(row, rows[:place])
            assert found.get(place, dict.fromkeys(enricher.columns)) == expected


def test_a_session_counts_what_came_before():
    """The third signal of a session knows of two before it, of the one that was a negative, and of the time between."""
    context = {"user_context": {"session_id": "s"}}
    story = [
        at(given("explicit_binary", {"positive": False}, "f1", **context), 1),
        at(given("explicit_binary", {"positive": True}, "f2", **context), 2, seconds=3),
        at(given("explicit_binary", {"positive": False}, "f3", **context), 3, seconds=4.5),
    ]

    rows = found(enriched(attributed(feedback_table(map(feedback_row, story)), NOBODY), NOBODY).order_by("log_offset"))

    columns = [[row[name] for row in rows] for name in collect_history()["session"].columns]
    assert columns == [[1, 2, 3], [0, 1, 1], [None, 3.0, 1.5]]
    assert all(row["missing"] == ["answer_uncertainty", "novelty"] for row in rows)


def test_logits_stand_for_probabilities():
    """Where only logits are logged the probabilities are theirs; a single one is that of a yes."""
    several = {"output_id": "A", "content": "a", "logits": {"a": 2.0, "b": 0.0, "c": -1000.0}}
    one = {"output_id": "A", "content": True, "logits": [0.0]}
    both = {"output_id": "A", "content": "a", "logits": [3.0, 4.0], "probabilities": [0.25, 0.75]}

    rows = [inference_row(answered("a", outputs=[output])) for output in (several, one, both)]

    assert rows[0]["probabilities"] == pytest.approx([0.880797, 0.119203, 0.0], abs=1e-6)
    assert [row["probabilities"] for row in rows[1:]] == [[0.5, 0.5], [0.25, 0.75]]
    assert [row["confidence"] for row in rows[1:]] == [0.5, 0.75]


def test_uncertainty_is_what_the_words_say():
    """An even split is least sure: log 2 nats and no margin; a certain answer has no entropy and all the margin."""
    inference = inference_row(answered("a"))

    even = enrich(inference | {"probabilities": [0.5, 0.5]})
    sure = enrich(inference | {"probabilities": [0.0, 1.0, 0.0]})
    alone = enrich(inference | {"probabilities": [1.0]})

    assert (even["entropy"], even["margin"]) == (0.693147, 0.0)
    assert (sure["entropy"], sure["margin"]) == (0.0, 1.0)
    assert (alone["entropy"], alone["margin"]) == (0.0, None)


def test_confidence_is_the_best_that_is_known():
    """The highest probability, else the output's score, else what the record states."""
    sharp = {"output_id": "A", "content": "a", "probabilities": {"a": 0.7, "b": 0.3}, "score": 0.1}
    scored = {"output_id": "A", "content": "a", "score": 0.4}

    assert inference_row(answered("a", outputs=[sharp], confidence=0.2))["confidence"] == 0.7
    assert inference_row(answered("a", outputs=[scored], confidence=0.2))["confidence"] == 0.4
    assert inference_row(answered("a", confidence=0.2))["confidence"] == 0.2
    assert inference_row(answered("a"))["confidence"] is None


def test_pending_feedback_stays_and_knows_nothing():
    """A feedback without its inference keeps its row; the table has the columns of ENRICHED_SCHEMA."""
    feedback = feedback_table([feedback_row(at(given("explicit_binary", {"positive": True}), 1))])

    table = engine().to_pyarrow(enriched(attributed(feedback, NOBODY), NOBODY))

    assert table.schema.equals(ENRICHED_SCHEMA)
    [row] = table.select(["inputs", "entropy", "confidence", "missing"]).to_pylist()
    missing = ["answer_uncertainty", "novelty", "session"]
    assert row == {"inputs": None, "entropy": None, "confidence": None, "missing": missing}


@pytest.mark.parametrize("chosen", [{"chosen_output_id": "B"}, {}])
def test_the_chosen_output_is_the_answer(chosen):
    """Of several outputs the chosen one was answered, else the best ranked."""
    outputs = [
        {"output_id": "A", "content": "a", "rank": 2},
        {"output_id": "B", "content": "b", "rank": 1},
        {"output_id": "C", "content": "c"},
    ]

    row = inference_row(answered("a", outputs=outputs, **chosen))

    assert (row["answer_label"], row["output_ids"]) == ('"b"', ["A", "B", "C"])


@pytest.mark.parametrize(
    ("answer", "inputs", "told"),
    [
        ("Ich möchte das Paket zurückgeben.", {"text": "not looked at"}, (33, 5, "de")),
        (None, "Quisiera devolver el paquete que llegó ayer", (43, 7, "es")),
        (None, {"text": "Je voudrais renvoyer le colis arrivé hier"}, (41, 7, "fr")),
        (None, {"text": "שלום, אני רוצה להחזיר את החבילה"}, (31, 6, "he")),
        ("tak", None, (3, 1, None)),
        ("xx 12 qz 77 && 99 -- 31 kk", None, (26, 9, None)),
    ],
)
def test_a_text_has_a_length_and_a_language(answer, inputs, told):
    """Of the answer, else of what was asked; nothing is guessed of what is short or no language."""
    content = answer if answer is not None else {"label": 3}
    row = inference_row(answered("a", outputs=[{"output_id": "A", "content": content}], inputs=inputs or {"n": 1}))

    found = enrich(row)

    assert (found["text_characters"], found["text_words"], found["text_language"]) == told


def test_who_has_no_text_lacks_none():
    """It is not told of pixels, and not missed."""
    found = enrich(inference_row(answered("a", outputs=[{"output_id": "A", "content": {"label": 3}}], inputs=[0, 1])))

    assert "text_characters" not in found and "text" not in found["missing"]


def test_a_function_of_texts_is_asked_once_a_row(monkeypatch):
    """Three columns, one call: it is Python, and would be three times as slow."""
    asked_of = []
    monkeypatch.setattr(text_enricher, "_told", lambda *given: asked_of.append(given) or text_enricher.NOTHING)
    inferences = [inference_row(answered("a")) | {"inference_request_id": f"r{n}"} for n in range(10)]

    found(known(inference_table(inferences)))

    assert len(asked_of) == 10
