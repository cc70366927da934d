"""The text scenario on real processes: corrections and pairs become datasets, a reward model, and a champion."""

from pathlib import Path

import pytest

from tests.support.demo_runs import DemoRun, run_demo

pytestmark = [pytest.mark.acceptance, pytest.mark.chaos]

FACTS = "SELECT count(*) FROM staging.feedback_events WHERE kind = 'reward_model_trained'"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """One play of it."""
    return run_demo(tmp_path_factory.mktemp("text"), "--scenario", "text", "--seed", "3")


def test_preferences_are_learnt_while_the_loop_closes(demo: DemoRun) -> None:
    """No run fails, the gate lets a better champion through, and what customers prefer is found and measured."""
    told = demo.report["preferences"]
    model, scores = told["reward_model"], told["scores"]

    assert demo.exit_code == 0, demo.output
    assert demo.report["dagster_runs"]["failed"] == 0 and demo.report["graph"]["missing"] == []
    assert demo.report["verdicts"][-1]["reasons"] and any(each["is_promoted"] for each in demo.report["verdicts"])
    assert model["pair_accuracy_model"] > max(model["pair_accuracy_length"], model["pair_accuracy_majority"])
    assert scores["wording=careful"]["mean"] > scores["wording=brisk"]["mean"]
    assert int(demo.ask(FACTS)[0][0]) >= 1


def test_trainers_open_the_datasets(demo: DemoRun) -> None:
    """By pandas and by the datasets library: demonstrations are texts, and a pair is never twice the same answer."""
    pandas = pytest.importorskip("pandas")
    loader = pytest.importorskip("datasets")
    made = {
        name: Path(each["folder"]) / "train.parquet" for name, each in demo.report["preferences"]["datasets"].items()
    }

    sft, pairs = (pandas.read_parquet(made[name]) for name in ("sft", "preference"))
    opened = loader.load_dataset("parquet", data_files=str(made["sft"]), cache_dir=str(made["sft"].parent / "cache"))

    assert len(opened["train"]) == len(sft) > 0 and set(sft.completion.str.len() > 0) == {True}
    assert len(pairs) > 0 and (pairs.chosen != pairs.rejected).all() and pairs.prompt.str.len().min() > 0
