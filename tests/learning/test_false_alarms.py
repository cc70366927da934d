"""False alarms of drift on real data that hardly drifts: fifty years of weather, and a model never retrained."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from feedback_loop.learning.standing_triggers import Trigger, Wanted, backtest
from feedback_loop.learning.trigger_history import moments
from tests.learning.shared_data import rows_of

FIRST = 1_000
AROUND = 850
SLACK = 0.03
"""An alarm is false where the thousand answers around it are not this much worse than the first thousand."""


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The labelled answers in order, as a trigger's history takes them."""
    feedback, inferences = rows_of("weather", Path(tmp_path_factory.mktemp("weather")))
    asked = {row["inference_request_id"]: row for row in inferences}
    rows = []
    for said in feedback:
        row = asked[said["inference_request_id"]]
        told = {"answer_label": row["answer_label"], "inputs": orjson.loads(row["inputs"])}
        rows.append({"label": said["label"], "occurred_at": row["occurred_at"], "example": orjson.dumps(told).decode()})
    return rows


def alarms(rows: list[dict[str, Any]], size: int, looks: int) -> tuple[int, int]:
    """How often the trigger `drift` fires with windows of so many labels, and how many of these alarms are false."""
    right = [row["label"] == orjson.loads(row["example"])["answer_label"] for row in rows]
    places = {row["occurred_at"].timestamp(): place for place, row in enumerate(rows)}
    good_enough = sum(right[:FIRST]) / FIRST - SLACK
    trigger = Trigger(trigger_id="drift", conditions=(Wanted(kind="drift"),), min_labels=0, cooldown_s=0, looks=looks)
    fired = [places[told["at_s"]] for told in backtest(trigger, moments(rows, size)) if told["fires"]]
    around = [right[max(place - size, 0) : place + AROUND] for place in fired]
    return len(fired), sum(sum(answers) / len(answers) >= good_enough for answers in around)


@pytest.mark.chaos
@pytest.mark.parametrize(("size", "looks", "most", "most_false"), [(150, 1, 40, 20), (150, 2, 20, 8), (400, 1, 10, 2)])
def test_alarms_on_weather_are_counted(
    weather: list[dict[str, Any]], record_property: Any, size: int, looks: int, most: int, most_false: int
) -> None:
    """Of 17,159 answers and more than a hundred looks: larger windows and patience leave few alarms that are false."""
    fired, false = alarms(weather, size, looks)
    record_property("alarms", fired)
    record_property("false", false)

    assert 1 <= fired <= most
    assert false <= most_false
