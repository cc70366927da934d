"""Standing triggers: combined, patient, cooling down, within a budget; and a backtest by the same code."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from feedback_loop.learning.drift import Window, report
from feedback_loop.learning.standing_triggers import Memory, Trigger, Wanted, backtest, look, read
from feedback_loop.learning.trigger_conditions import Moment
from feedback_loop.learning.trigger_history import moments

GOOD, BAD = (report(Window(200, 190), Window(200, right)) for right in (190, 120))
LOW = Wanted(kind="performance", at_least=0.8)
MANY = Wanted(kind="volume", at_least=500)


def _trigger(*conditions, **more):
    return Trigger(trigger_id="t", conditions=conditions, **more)


def _asked(trigger, *told):
    """The answers at (seconds, moment) in turn."""
    memory, found = Memory(), []
    for now_s, moment in told:
        decision, memory = look(trigger, moment, memory, now_s)
        found.append(decision)
    return found


@pytest.mark.parametrize(
    ("combine", "seen", "labels", "fires"),
    [("any", BAD, 200, True), ("all", BAD, 200, False), ("all", BAD, 500, True), ("any", GOOD, 200, False)],
)
def test_conditions_are_combined(combine, seen, labels, fires):
    """Any of them, or all; the reason tells of those that decided it."""
    [decision] = _asked(_trigger(LOW, MANY, combine=combine), (0, Moment(seen, labels)))

    assert decision.fires == fires
    assert "accuracy" in decision.reason or "new labels" in decision.reason


def test_an_accuracy_of_a_handful_is_none():
    """Whatever the trigger says of new labels: one wrong answer is no performance."""
    few, enough = (report(Window(200, 190), Window(count, 0)) for count in (1, 40))

    said = _asked(_trigger(LOW, min_labels=0), (0, Moment(few, 1)), (1, Moment(enough, 40)))

    assert [each.fires for each in said] == [False, True]
    assert "1 of 40 labels" in said[0].reason


def test_it_waits_for_labels_and_for_as_many_looks_as_it_takes():
    """Too few labels, then one look of two, then it fires; a look in between at which it does not hold begins anew."""
    bad, good = Moment(BAD, 200), Moment(GOOD, 200)

    patient = _asked(_trigger(LOW, looks=2), (0, bad), (1, good), (2, bad), (3, bad))
    hungry = _asked(_trigger(LOW), (0, Moment(BAD, 149)), (1, Moment(BAD, 150)))

    assert [each.fires for each in patient] == [False, False, False, True]
    assert "1 of 2 looks" in patient[0].reason
    assert [each.fires for each in hungry] == [False, True]
    assert "149 of 150 new labels" in hungry[0].reason


def test_one_report_is_one_look_however_often_it_is_looked_at():
    """The sensor comes by every few seconds; only the next report shows whether it holds on."""
    bad = Moment(BAD, 200)
    trigger, memory = _trigger(LOW, looks=2), Memory()
    reasons = []
    for second in range(5):
        decision, memory = look(trigger, bad, memory, second, is_another=second == 0)
        reasons.append(decision.reason)
    next_one, _ = look(trigger, bad, memory, 5)

    assert all("1 of 2 looks" in reason for reason in reasons)
    assert next_one.fires


def test_it_fires_once_for_one_cause():
    """While it holds on it is silent; when it held no more for a look, the cool-down and the budget are minded."""
    bad, good = Moment(BAD, 200), Moment(GOOD, 200)
    flapping = [(second, bad if second % 2 == 0 else good) for second in range(200)]

    steady = _asked(_trigger(LOW), *[(second, bad) for second in range(100)])
    cooled = _asked(_trigger(LOW, cooldown_s=50), *flapping)
    spent = _asked(_trigger(LOW, budget=3), *flapping)

    assert [each.fires for each in steady].count(True) == 1
    assert "fired for this already" in steady[1].reason
    assert [place for place, each in enumerate(cooled) if each.fires] == [0, 50, 100, 150]
    assert sum(each.fires for each in spent) == 3
    assert "the budget of 3 trainings a day is spent" in spent[-2].reason


def test_a_definition_survives_as_data_and_names_its_faults():
    """What was defined is read again; what is unknown is named by its field; a stranger's definition is left alone."""
    trigger = _trigger(LOW, MANY, combine="all", model_name="digits", looks=3)

    assert read(orjson.loads(orjson.dumps(trigger.as_data()))) == trigger
    faults = Trigger(trigger_id="No Slug", conditions=(Wanted(kind="moon"),)).faults()
    assert [fault.pointer for fault in faults] == ["/trigger_id", "/conditions/0/kind"]
    assert read({"trigger_id": "t", "conditions": [], "phase": "full"}) is None


def test_a_backtest_tells_when_it_would_have_fired():
    """A history of .9 right and then of .4: silent first, then once, with the moment and the reason."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        {
            "label": '"a"',
            "occurred_at": start + timedelta(seconds=n),
            "example": orjson.dumps(
                {"answer_label": '"a"' if n % 10 < (9 if n < 600 else 4) else '"b"', "inputs": {"x": n % 7}}
            ),
        }
        for n in range(900)
    ]

    told = backtest(_trigger(Wanted(kind="drift")), moments(rows))

    [fired] = [each for each in told if each["fires"]]
    assert fired["at_s"] == start.timestamp() + 749
    assert "performance_drop" in fired["reason"]
    assert told[0]["reason"].startswith("does not hold")
