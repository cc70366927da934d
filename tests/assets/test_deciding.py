"""The small decisions of the graph: what a champion is held to, who is asked at the gate, when a reason is new."""

from datetime import timedelta
from typing import Any

import ibis
import numpy as np
import orjson
import pyarrow as pa
import pytest

from feedback_assets.champions_drift import Reign, reports, standard
from feedback_assets.exporting import Note
from feedback_assets.gate import compare
from feedback_assets.partitions import bounds, days_of
from feedback_assets.presentation import markdown_table
from feedback_assets.retraining import Question, ask, gist
from feedback_ingest.log import LogRow
from feedback_ingest.settings import Settings
from feedback_loop.learning.schemas import INFERENCE_SCHEMA, LABELED_SCHEMA
from tests.assets.world import DAY

FOUND = {
    "project_id": 1,
    "model_name": "m",
    "model_version": "1",
    "is_detected": True,
    "reasons": ["accuracy fell"],
    "accuracy_reference": 0.9,
    "accuracy_recent": 0.5,
    "samples": 100,
    "accuracy_suffers": True,
    "inputs_moved": False,
    "new_labels": 1000,
    "upto_offset": 50,
}


class Says:
    """A model that answers everything alike."""

    def __init__(self, label: str) -> None:
        self._answer = type("Answer", (), {"label": label})()

    def predict(self, inputs: list[Any]) -> list[Any]:
        return [self._answer for _ in inputs]


@pytest.mark.parametrize(
    ("reigns", "windows", "expected"),
    [
        ([Reign("1")], {}, (None, 0)),
        ([Reign("1")], {"1": (50, 45)}, (None, 50)),
        ([Reign("1")], {"1": (100, 90)}, (0.9, 100)),
        ([Reign("1"), Reign("2", 0.8, 40)], {"1": (100, 90)}, (0.85, 40)),
        ([Reign("1"), Reign("2", 0.95, 40)], {"1": (100, 90)}, (0.95, 40)),
        ([Reign("1"), Reign("2", 0.95, 40)], {"1": (100, 90), "2": (100, 60)}, (0.85, 100)),
        ([Reign("1"), Reign("2"), Reign("1")], {"1": (100, 90), "2": (100, 97)}, (0.92, 100)),
    ],
)
def test_a_champion_is_held_to_what_its_predecessors_showed(reigns: Any, windows: Any, expected: Any) -> None:
    """By its own first window, until then by the gate, and never by much less than the one before it."""
    accuracy, rows = standard(reigns, windows, 100)

    assert (accuracy if accuracy is None else round(accuracy, 6), rows) == expected


def _golden(*versions: str) -> list[dict[str, Any]]:
    return [
        {"inputs": "{}", "label": '"a"', "answer_label": '"a"', "model_version": version, "feedback_offset": n}
        for n, version in enumerate(versions)
    ]


def test_the_champion_is_taken_at_its_logged_word() -> None:
    """Its artifact is asked only where another version answered."""
    found = compare(_golden("1", "1", "2"), "3", Says("a"), "1", Says("b"))

    assert (found.candidate.correct, found.champion.correct, found.champion.rows) == (3, 2, 3)
    assert found.candidate.row_digest == found.champion.row_digest


def test_without_an_artifact_only_its_own_answers_count() -> None:
    """Rows it never answered are left out for both, so that both are asked the same."""
    found = compare(_golden("1", "2", "2"), "3", Says("b"), "1", None)

    assert (found.candidate.rows, found.champion.rows, found.champion.correct) == (1, 1, 1)
    assert found.candidate.row_digest == found.champion.row_digest


def _decision(offset: int, seconds_ago: float) -> LogRow:
    moment = DAY - timedelta(seconds=seconds_ago)
    return LogRow(offset, 1, "model_promoted", "x", moment, moment, {})


@pytest.mark.parametrize(
    ("trainings", "is_training", "fires", "said"),
    [
        ([], False, True, "1000 new labels"),
        ([], True, False, "a training is in progress"),
        ([_decision(51, 1000)], False, False, "older than the last training"),
        ([_decision(49, 1000)], False, True, "1000 new labels"),
        ([_decision(49, 5)], False, False, "too recent"),
    ],
)
def test_a_model_is_trained_once_for_one_finding(trainings: Any, is_training: bool, fires: bool, said: str) -> None:
    """Not twice at a time, not from a report of another champion, not before the cool-down is over."""
    decision = ask(Question(FOUND, trainings, [], is_training, DAY), Settings())

    assert decision.fires == fires
    assert said in decision.reason


def test_a_reason_is_new_only_when_more_than_numbers_changed() -> None:
    """Accuracies, counts and the example of an input that moved come and go; the reason stays."""
    first = "3 of 64 inputs moved, most pixels.12 (PSI 8.17); accuracy 0.927 against 0.920 (z -0.2)"
    second = "7 of 64 inputs moved, most price of (day) (PSI 1.02); accuracy 0.9 against 0.920 (z 1)"

    assert gist(first) == gist(second)
    assert gist(first) != gist("accuracy 0.927 against 0.920 (z -0.2)")


def test_a_runs_days_are_in_its_tags() -> None:
    """A day, a range of which the stored days count, or without tags the newest."""
    stored = ["2026-03-01", "2026-03-02", "2026-03-04"]
    ranged = {"dagster/asset_partition_range_start": "2026-03-02", "dagster/asset_partition_range_end": "2026-03-09"}

    assert days_of({"dagster/partition": "2026-03-02"}, stored) == ["2026-03-02"]
    assert days_of(ranged, stored) == ["2026-03-02", "2026-03-04"]
    assert days_of({}, stored) == ["2026-03-04"]
    assert [moment.isoformat() for moment in bounds(stored)] == [
        "2026-03-01T00:00:00+00:00",
        "2026-03-05T00:00:00+00:00",
    ]


@pytest.mark.parametrize("text", ["", "7407", "{}", '{"upto_offset": "7"}', "nonsense"])
def test_a_file_without_a_note_of_ours_is_written_anew(text: str) -> None:
    """Whatever another version noted is no reason to fail, and none to go on from the file."""
    assert Note.read(text) is None


def test_users_words_stay_inside_their_cell() -> None:
    """Neither a bar, nor a line break, nor HTML or a link in a value gets out of the table."""
    [_, _, row] = markdown_table([{"said": "a|b\n<img src=x> [x](y) `c`"}]).value.splitlines()

    assert row == "| a&#124;b &#60;img src=x&#62; &#91;x&#93;(y) &#96;c&#96; |"


@pytest.mark.parametrize("moved", [0, 1])
def test_texts_drift_by_the_embeddings_that_were_logged_beside_them(moved: int) -> None:
    """What texts say is no number and no category; where their embeddings come from is compared instead."""
    random = np.random.default_rng(0)
    asked = [
        {
            "project_id": 1, "model_name": "m", "model_version": "1", "log_offset": n, "inputs": f'{{"text":"t{n}"}}',
            "embedding": random.normal(moved if n >= 60 else 0, 1, 8).tolist(),
        }
        for n in range(120)
    ]  # fmt: skip
    inferences = ibis.memtable(pa.Table.from_pylist(asked, INFERENCE_SCHEMA))
    labeled = ibis.memtable(LABELED_SCHEMA.empty_table())

    [found] = reports(labeled, inferences, [], 200, Settings(drift_inferences=60), lambda *_: {}).to_pylist()

    told = {each["detector"]: each["is_drift"] for each in orjson.loads(found["findings"])}
    assert told["embedding_shift"] == bool(moved)
