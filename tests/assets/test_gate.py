"""The gate on the real graph: what a crowd of liars, or a forgetful model, meets there."""

import random
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlmodel import Session

from feedback_assets import facts, resources
from feedback_ingest.settings import get_settings
from feedback_loop.registry.champions import champion
from tests.assets.world import DAY, World

INVERTED = {"0": "1", "1": "2", "2": "0"}


def _corrected(world: World, count: int, start: datetime, right: float, inverted: bool, seed: int) -> None:
    """`count` answers, each with a label by a user of its own; inverted, every label is another than the true one."""
    chance, rows = random.Random(seed), []
    for n in range(count):
        truth = chance.choice("012")
        answer = truth if chance.random() < right else INVERTED[truth]
        name, at = f"said-{seed}-{n}", start + timedelta(seconds=n)
        pixels = [(4.0 if str(place) == truth else 0.0) + chance.random() for place in range(3)]
        outputs = [{"output_id": "A", "content": {"label": answer}, "propensity": 0.5}]
        told: dict[str, Any] = {"inputs": {"pixels": pixels}, "outputs": outputs, "segments": {"tier": "pro"}}
        body = {"inference_request_id": name, "model_name": "digits", "model_version": "digits-0001", **told}
        rows.append(("inference", name, body, at, at))
        value = {"corrected_label": INVERTED[truth] if inverted else truth}
        said = world.feedback(name, "explicit_correction", value=value, user_context={"user_id": f"u-{seed}-{n}"})
        rows.append(("feedback", *said, at, at))
    world._append(rows)


@pytest.fixture
def half_golden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the rows are golden, so that few are enough."""
    settings = get_settings().model_copy(update={"golden_share": 0.5})
    monkeypatch.setattr(resources, "get_settings", lambda: settings)


@pytest.mark.usefixtures("half_golden")
def test_a_flood_of_inverted_labels_is_refused_and_named(world: World) -> None:
    """Hundreds of users lie alike: the candidate that learnt it looks better on the newest rows, and stays outside.

    What the other checks found is kept with the evaluation: segments, times and propensities are read from the log.
    """
    _corrected(world, 90, DAY, 0.9, False, 1)
    _corrected(world, 210, DAY + timedelta(hours=1), 0.9, True, 2)
    world.refresh(only="labeled_set")

    assert world.retrain().success

    [refused] = world.facts(facts.MODEL_REFUSED)
    assert refused.body["evaluation"]["recent_accuracy"] > refused.body["evaluation"]["champion_recent_accuracy"]
    assert any("a flood of inverted labels" in reason for reason in refused.body["reasons"])
    with Session(world.database.engine) as session:
        assert champion(session, 1, "digits") is None
    found = {each["check"]: each for each in orjson.loads(world.rows("model_evaluation")[0]["findings"])}
    assert found["past_corrections"]["outcome"] == "skipped"
    assert "1 segments" in found["fairness_floor"]["reason"]
    assert "no overlap: the log shows" in found["off_policy_value"]["reason"]
    assert found["latency_budget"]["outcome"] == "passed"
