"""Drift as facts: told when it is found and when it is over, once each, for each model."""

from typing import Any

import pyarrow as pa

from feedback_assets import facts
from feedback_assets.drift_facts import tell_changes
from feedback_ingest.postgres import Database
from tests.assets.world import World


def report(is_detected: bool, upto: int, model: str = "digits") -> pa.Table:
    """A drift report of one model."""
    row: dict[str, Any] = {
        "project_id": 1, "model_name": model, "model_version": "digits-0001", "is_detected": is_detected,
        "accuracy_reference": 0.9, "accuracy_recent": 0.6, "samples": 150, "inputs_moved": True,
        "reasons": ["accuracy fell"], "upto_offset": upto,
    }  # fmt: skip
    return pa.Table.from_pylist([row])


def test_only_a_change_is_a_fact(world: World, database: Database) -> None:
    """Nothing before the first drift, one fact when it comes and one when it is over, however often it is reported."""
    for upto, is_detected in enumerate((False, True, True, False, False, True), start=1):
        tell_changes(world.log, report(is_detected, upto))
        tell_changes(world.log, report(is_detected, upto))
    tell_changes(world.log, report(True, 9, "other"))

    told = world.facts(facts.DRIFT_DETECTED, facts.DRIFT_RESOLVED)

    assert [(fact.kind, fact.body["model_name"], fact.body["upto_offset"]) for fact in told] == [
        (facts.DRIFT_DETECTED, "digits", 2),
        (facts.DRIFT_RESOLVED, "digits", 4),
        (facts.DRIFT_DETECTED, "digits", 6),
        (facts.DRIFT_DETECTED, "other", 9),
    ]
    assert told[0].body["accuracy_recent"] == 0.6 and told[0].body["reasons"] == ["accuracy fell"]
