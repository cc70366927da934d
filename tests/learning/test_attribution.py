"""Attribution: one meaning in the function and the expression, whatever the order of arrival."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from feedback_loop.learning.attribution import attribute, attributed, undoes
from feedback_loop.learning.policies import Placed
from feedback_loop.learning.policies.attribution import AttributionPolicy, Terms
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.learning.schemas import ATTRIBUTED_SCHEMA
from tests.learning.stories import facts
from tests.learning.worlds import (
    NOON,
    Follower,
    Prepared,
    answered,
    at,
    engine,
    feedback_table,
    found,
    given,
    inference_table,
    logged,
)

PLACES = ("log_offset", "inference_offset", "project_id")
ATTRIBUTED = Prepared(attributed)
TERMS = {metric: Terms(wait_s=12, early_s=9) for metric in ("accuracy", "satisfaction", "tone", "win_rate")}
SHORT = Placed(AttributionPolicy(orphan_s=30, metrics=TERMS), 0)
LONG = Placed(AttributionPolicy(orphan_s=3_600, metrics={"accuracy": Terms(wait_s=1)}), 0)
WAITS = {1: [SHORT], 2: [SHORT], 3: [LONG, SHORT._replace(log_offset=25)]}
LATER = NOON + timedelta(minutes=2)
IN_TIME = Prepared(lambda feedback, inferences: attributed(feedback, inferences, waits=WAITS, newest=LATER))
ONE_ID, OTHER_ID = "0192f0c1-7c1e-7a50-8a3e-000000000001", "0192f0c1-7c1e-7a50-8a3e-000000000002"


@settings(max_examples=40, deadline=None)
@given_any(first=facts(), data=st.data())
def test_function_and_expression_agree_in_any_order(first, data):
    """Followed one by one or read at once, in this order or another, the same facts give the same table."""
    second = data.draw(st.permutations(first))
    log = logged(first, project_id=1) + logged(second, project_id=2, start=1 + len(first))
    log += logged(first[::2], project_id=3, start=1 + 2 * len(first))  # a neighbour who knows less is not mixed in

    live = Follower().follow(log)
    at_once = ATTRIBUTED(live.feedback.values(), live.inferences.values())
    rows = {(row["project_id"], row["feedback_id"]): row for row in at_once}

    assert rows == live.states
    one, other = (
        {
            name: {k: v for k, v in row.items() if k not in PLACES}
            for (project, name), row in rows.items()
            if project == p
        }
        for p in (1, 2)
    )
    assert one == other


@settings(max_examples=40, deadline=None)
@given_any(first=facts(), data=st.data())
def test_function_and_expression_agree_on_what_is_over(first, data):
    """Late, early and orphaned are told alike by both, and by any order of arrival, under each project's policy."""
    second = data.draw(st.permutations(first))
    log = logged(first, project_id=1) + logged(second, project_id=2, start=1 + len(first))
    log += logged(first, project_id=3, start=1 + 2 * len(first))

    live = Follower(waits=WAITS).follow(log).until(LATER)
    at_once = IN_TIME(live.feedback.values(), live.inferences.values())
    rows = {(row["project_id"], row["feedback_id"]): row for row in at_once}

    assert rows == live.states
    states = [Counter((name, row["state"]) for (p, name), row in rows.items() if p == project) for project in (1, 2)]
    assert states[0] == states[1]
    assert "pending" not in {row["state"] for (project, _), row in rows.items() if project < 3}


@pytest.mark.parametrize(
    ("second", "state"),
    [(-10, "mismatched"), (-9, "attributed"), (12, "attributed"), (12.000001, "late")],
)
def test_feedback_counts_within_its_window(second, state):
    """From `early_s` before its inference, which clocks may disagree by, to `wait_s` after it, both included."""
    said = at(given("explicit_binary", {"positive": True}), 2, seconds=second)

    seen = attribute(feedback_row(said), inference_row(answered("a")), WAITS)

    assert seen.state == state


def test_feedback_waits_until_it_is_orphaned():
    """By the newest receipt of the log, not by a clock; an inference that comes after all takes it in."""
    said = feedback_row(given("explicit_binary", {"positive": True}))
    day = timedelta(days=1)

    assert attribute(said, None, newest=NOON + day - timedelta(microseconds=1)).state == "pending"
    assert attribute(said, None, newest=NOON + day).state == "orphaned"
    assert attribute(said, None, WAITS, NOON + timedelta(seconds=30)).state == "orphaned"
    assert attribute(said, inference_row(answered("a")), newest=NOON + day).state == "attributed"


def test_the_expression_keeps_the_promised_columns():
    """The table has exactly the columns and types of ATTRIBUTED_SCHEMA, also without a row."""
    table = attributed(feedback_table([]), inference_table([]))

    assert engine().to_pyarrow(table).schema.equals(ATTRIBUTED_SCHEMA)


def _attributed(feedback, inference):
    return attribute(feedback_row(feedback), inference_row(inference) if inference else None)


@pytest.mark.parametrize(
    ("feedback_type", "value", "content", "correct"),
    [
        ("ground_truth", {"label": "a"}, "a", True),
        ("ground_truth", {"label": 3}, "3", False),
        ("ground_truth", {"label": 1}, True, False),
        ("ground_truth", {"label": 3}, {"label": 3, "why": "round"}, True),
        ("ground_truth", {"label": 3}, {"text": "three"}, None),
        ("explicit_correction", {"corrected_text": "at 9."}, "At 9.", False),
        ("ground_truth", {"value": 1.5}, "a", None),
        ("ground_truth", {"output": "At 9."}, {"text": "At 9."}, True),
        ("explicit_label", {"labels": ["a"]}, "a", None),
        ("explicit_correction", {"corrected_text": "At 9."}, "At 8.", False),
        ("explicit_correction", {"corrected_output": {"x": 1}}, "a", None),
        ("explicit_comment", {"text": "a"}, "a", None),
        ("explicit_binary", {"positive": True}, "a", None),
    ],
)
def test_an_answer_is_right_where_it_equals_the_label_or_the_text(feedback_type, value, content, correct):
    """Labels are compared with their types, texts where there is no label, and nothing is guessed."""
    said, asked = given(feedback_type, value), answered(content)

    seen = _attributed(said, asked)
    [row] = ATTRIBUTED([feedback_row(said)], [inference_row(asked)])

    assert (seen.state, seen.correct) == ("attributed", correct)
    assert (row["state"], row["correct"]) == ("attributed", correct)


def test_feedback_before_its_inference_is_pending():
    """Without its inference a feedback waits, under the model it names or the default one."""
    unnamed = _attributed(given("explicit_binary", {"positive": True}), None)
    named = _attributed(given("explicit_binary", {"positive": True}, model_name="m"), None)

    assert unnamed == ("pending", None, "default", None, None)
    assert named.model_name == "m"


@pytest.mark.parametrize("claim", [{"model_version": "v2"}, {"model_name": "other"}])
def test_feedback_on_another_model_is_mismatched(claim):
    """A feedback that names another model than the logged one keeps what it said and is not judged."""
    seen = _attributed(given("ground_truth", {"label": "a"}, **claim), answered("a", model_name="m"))

    assert (seen.state, seen.correct, seen.inference_offset) == ("mismatched", None, 1)
    assert seen.model_name == claim.get("model_name", "m")


def _person(name):
    return {"user_context": {"user_id": name}} if name else {}


@pytest.mark.parametrize(
    ("author", "undoer", "source", "undone"),
    [
        ("p_ann", "p_ann", "end_user", True),
        (None, None, "end_user", True),
        ("p_ann", "p_bob", "end_user", False),
        ("p_ann", None, "code", False),
        ("p_ann", "p_bob", "reviewer", True),
    ],
)
def test_only_the_author_or_a_reviewer_undoes(author, undoer, source, undone):
    """A person takes back their own feedback and nobody else's."""
    target = given("explicit_binary", {"positive": True}, ONE_ID, **_person(author))
    undoing = given("retraction", {"retracts": ONE_ID}, OTHER_ID, source={"kind": source}, **_person(undoer))

    assert undoes(feedback_row(undoing), feedback_row(target)) is undone


def test_an_undo_in_another_part_of_the_log_counts():
    """A day's feedback is undone by a retraction of another day, given as `undoing`."""
    target = feedback_row(at(given("explicit_binary", {"positive": True}, ONE_ID), 1))
    undoing = feedback_row(at(given("retraction", {"retracts": ONE_ID}, OTHER_ID), 2))

    [alone] = found(attributed(feedback_table([target]), inference_table([])))
    [undone] = found(attributed(feedback_table([target]), inference_table([]), feedback_table([undoing])))

    assert (alone["is_undone"], undone["is_undone"]) == (False, True)
