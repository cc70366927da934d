"""Datasets of real feedback: preferences of a crowd, post-edits of translators, clicks with propensities."""

import json
import os
import subprocess
import sys
from pathlib import Path

import ibis
import numpy as np
import pytest

from feedback_assets.dataset_files import ExampleFiles
from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.dataset_formats import collect
from feedback_loop.learning.enrichers import known
from feedback_loop.learning.membership import Sources
from feedback_loop.learning.reward_model import Pair, fit, judged, pair_accuracy
from tests.learning.compiled import Compiled, compiled
from tests.learning.shared_data import rows_of
from tests.learning.worlds import feedback_table, inference_table

STEP = Path(__file__).parents[1] / "support" / "dpo_step.py"
UNCAPPED = {"per_actor": 1_000_000, "share": 0.99}
"""Those who spoke here were paid to speak much."""


def sources(name: str, folder: Path) -> Sources:
    """A set as a compilation reads it; skips the test where the set is not there."""
    feedback, inferences = rows_of(name, folder)
    asked = inference_table(inferences)
    table = attributed(feedback_table(feedback), asked)
    return Sources(table.mutate(outcome=ibis.null("string")), known(asked))


def written(found: Compiled, name: str, folder: Path) -> str:
    """The rows as the file a trainer opens."""
    ExampleFiles(folder, collect()[name]().schema(), ("parquet",)).write(found.table.to_batches())
    return str(folder / "train.parquet")


def test_preferences_of_a_crowd_are_pairs_for_trl(tmp_path: Path) -> None:
    """llmfao: every judgement that is no tie and has a text on both sides is a pair, the preferred one chosen; the
    datasets library opens it, where it is installed.
    """
    read = sources("llmfao", tmp_path)
    found = compiled(read, format="trl_preference", rows=100_000, caps=UNCAPPED)

    assert len(found.rows) > 4_500
    assert all(row["chosen"].strip() and row["rejected"].strip() for row in found.rows)
    assert all(row["chosen"] != row["rejected"] and row["prompt"] for row in found.rows)
    assert set(found.outcomes.values()) == {"kept", "unusable"}
    path = written(found, "trl_preference", tmp_path)
    loader = pytest.importorskip("datasets")
    opened = loader.load_dataset("parquet", data_files={"train": path}, cache_dir=str(tmp_path / "cache"))["train"]
    assert len(opened) == len(found.rows) and {"prompt", "chosen", "rejected"} <= set(opened.column_names)


@pytest.mark.trainer
def test_a_tiny_model_takes_dpo_steps_on_them(tmp_path: Path) -> None:
    """llmfao: trl reads the pairs as they are, and a model of random weights learns from them."""
    python = os.environ.get("TRAINER_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import torch, trl"], capture_output=True).returncode:
        pytest.skip(f"{python} has no torch and trl; name one that has in TRAINER_PYTHON")
    found = compiled(sources("llmfao", tmp_path), format="trl_preference", rows=100_000, caps=UNCAPPED)
    path = written(found, "trl_preference", tmp_path)

    done = subprocess.run([python, STEP, path, tmp_path / "out"], capture_output=True, text=True, timeout=600)

    assert done.returncode == 0, done.stderr[-2_000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["rows"] == len(found.rows)
    assert len(told["losses"]) == 2 and all(0 < loss < 10 for loss in told["losses"])
    assert told["moved"] > 1


@pytest.mark.chaos
def test_a_reward_model_of_a_crowd_beats_length(tmp_path: Path) -> None:
    """llmfao: learnt from four fifths of the judgements it finds the preferred answer of the others more often than
    who always takes the longer one, and than who takes a side.
    """
    found = compiled(
        sources("llmfao", tmp_path), format="reward_model", split={"by": "inference"}, rows=100_000, caps=UNCAPPED
    )
    pairs = {split: [Pair(row["prompt"], row["chosen"], row["rejected"]) for row in found.rows if row["split"] == split]
             for split in ("train", "test")}  # fmt: skip

    accuracy = pair_accuracy(fit(pairs["train"]), pairs["train"], pairs["test"])

    assert accuracy.pairs > 500 and judged(accuracy)[0]


def test_post_edits_are_demonstrations(tmp_path: Path) -> None:
    """mlqe_pe: one demonstration a translation that was edited, the source as prompt and the edit as completion."""
    found = compiled(
        sources("mlqe_pe", tmp_path), format="prompt_completion", prompt="/source", rows=100_000, caps=UNCAPPED
    )

    assert len(found.rows) > 5_000
    assert len({row["inference_offset"] for row in found.rows}) == len(found.rows)
    assert all(row["prompt"] and row["completion"] and not row["prompt"].startswith("{") for row in found.rows)


def test_clicks_with_propensities_are_a_bandit_log(tmp_path: Path) -> None:
    """obd: every answer is a row, clicked or not; the rewards are the clicks, and each action has a propensity."""
    read = sources("obd", tmp_path)
    found = compiled(read, format="bandit", silence=0.0, rows=100_000)

    answers = {row["inference_offset"] for row in found.rows}
    rewards = np.array([row["reward"] for row in found.rows])
    assert len(answers) == len(found.rows) == 20_000
    assert 50 < rewards.sum() <= 92 and set(rewards.tolist()) == {0.0, 1.0}
    assert all(0 < row["propensity"] <= 1 and row["action"] and row["context"] for row in found.rows)
