"""The job `retrain`: dataset, candidate, evaluation, gate."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import pyarrow.parquet as pq
import pytest
from sqlmodel import Session

from feedback_assets import candidates, facts
from feedback_assets.assets import models
from feedback_loop.learning.familiarity import SAMPLED
from feedback_loop.learning.promotion import Verdict
from feedback_loop.learning.training import TrainedModel
from feedback_loop.registry import shelf
from feedback_loop.registry.champions import champion, load_artifact, promote
from feedback_loop.registry.dataset_shelf import DatasetDamaged, next_version, read
from feedback_loop.registry.shelf import RegisteredModel, register
from feedback_loop.registry.tables import Champion
from tests.assets.world import DAY, World


def _champion(world: World) -> Champion | None:
    with Session(world.database.engine) as session:
        return champion(session, 1, "digits")


def _trained(world: World, right: float = 0.6, count: int = 200) -> dg.ExecuteInProcessResult:
    world.live(count, right=right)
    world.refresh(only="labeled_set")
    return world.retrain()


class Guesses:
    """A model that answers "0" to everything."""

    chosen, validation, rows = "guess", {}, 0

    def predict(self, inputs: list[Any]) -> list[Any]:
        return [type("Answer", (), {"label": "0"})() for _ in inputs]

    def to_bytes(self) -> bytes:
        return b"guesses"


@pytest.fixture
def guessing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is trained guesses."""
    monkeypatch.setattr(candidates, "train", lambda rows, seed: Guesses())
    monkeypatch.setattr(TrainedModel, "from_bytes", staticmethod(lambda artifact: Guesses()))


def test_a_better_candidate_takes_the_champions_place(world: World) -> None:
    """A dataset is compiled, a model named after it is trained, and where it is better it serves from then on."""
    result = _trained(world)

    assert result.success
    serving = _champion(world)
    [compiled] = world.facts(facts.DATASET_COMPILED)
    [trained] = world.facts(facts.MODEL_TRAINED)
    [promoted] = world.facts(facts.MODEL_PROMOTED)
    assert compiled.log_offset < trained.log_offset < promoted.log_offset
    assert trained.body["model_version"] == trained.body["dataset_version"] == "digits-0002"
    assert 0 < len(compiled.body["sample"]) <= SAMPLED
    assert serving is not None and serving.model_version == serving.dataset_version == "digits-0002"
    assert TrainedModel.from_bytes(load_artifact(serving)).classes == ("0", "1", "2")
    assert compiled.body["dataset_version"] == promoted.body["dataset_version"] == "digits-0002"
    assert promoted.body["evaluation"]["accuracy"] > 0.9
    assert promoted.body["evaluation"]["champion_version"] == "digits-0001"
    [told] = world.rows("champion_model")
    assert (told["is_promoted"], told["serving_version"]) == (True, "digits-0002")


def test_the_serving_model_and_mlflow_follow(world: World) -> None:
    """A promotion is reported on the external asset, and MLflow's alias points at the same version."""
    _trained(world)

    reported = world.instance.get_latest_materialization_event(dg.AssetKey("serving_model"))
    aliases = (shelf.ALIAS, shelf.CHALLENGER)
    client = shelf._client(world.database)
    alias, challenger = (client.get_model_version_by_alias("digits", name) for name in aliases)

    assert reported is not None and reported.asset_materialization is not None
    assert reported.asset_materialization.metadata["model_version"].value == "digits-0002"
    assert challenger.version == alias.version
    assert alias.tags["model_version"] == alias.tags["dataset_version"] == "digits-0002"


@pytest.mark.usefixtures("guessing")
def test_the_gate_refuses_a_worse_candidate(world: World) -> None:
    """A candidate that guesses changes nothing but the log, which says why."""
    result = _trained(world, right=0.8)

    [refused] = world.facts(facts.MODEL_REFUSED)
    assert result.success
    assert _champion(world) is None
    assert world.facts(facts.MODEL_PROMOTED) == []
    assert "not better" in refused.body["reasons"]
    assert refused.body["model_version"] == "digits-0002"
    assert world.instance.get_latest_materialization_event(dg.AssetKey("serving_model")) is None


@pytest.mark.usefixtures("guessing")
def test_an_inverted_gate_would_let_it_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal above is the gate's doing: turned round, it promotes the guesser."""
    monkeypatch.setattr(models, "decide", lambda *_: Verdict(True, ["inverted"]))

    _trained(world, right=0.8)

    serving = _champion(world)
    assert serving is not None and serving.model_version == "digits-0002"


def test_the_golden_rows_are_never_trained_on(world: World) -> None:
    """The dataset and the holdout share no inference, and together they are all that is labelled."""
    _trained(world)

    labeled = world.rows("labeled_set")
    trained = {row["inference_request_id"] for row in _dataset(world)[0]}
    golden = {row["inference_request_id"] for row in labeled if row["is_golden"]}
    assert golden and trained
    assert not golden & trained
    assert golden | trained == {row["inference_request_id"] for row in labeled}


def test_the_same_log_gives_the_same_dataset(world: World, tmp_path: Path) -> None:
    """The same offset gives the same rows, bytes and digest, whatever came in later; only the name moves on."""
    world.live(100, right=0.6)
    upto = world.head()
    world.refresh(upto=upto, only="labeled_set")
    world.retrain()
    world.live(50, right=0.1, seed=1)
    world.refresh(upto=upto, only="labeled_set")
    world.retrain()

    first, second = (tmp_path / "datasets" / f"digits-000{n}" for n in (2, 3))
    told = [orjson.loads((folder / "manifest.json").read_bytes()) for folder in (first, second)]
    assert (first / "train.parquet").read_bytes() == (second / "train.parquet").read_bytes()
    assert [each.pop("dataset_version") for each in told] == ["digits-0002", "digits-0003"]
    digests = [each.pop("digest") for each in told]  # over the name, too
    assert told[0] == told[1] and digests[0] != digests[1]
    assert told[0]["log_offset"] == upto
    assert [fact.body["row_digest"] for fact in world.facts(facts.DATASET_COMPILED)] == [told[0]["row_digest"]] * 2


def _dataset(world: World, version: str = "digits-0002") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    folder = world.data_dir / "datasets" / version
    return pq.read_table(folder / "train.parquet").to_pylist(), orjson.loads((folder / "manifest.json").read_bytes())


def test_a_damaged_dataset_is_not_trained_on(world: World) -> None:
    """A byte that changed since the manifest was written is found before anything is learnt from it."""
    _trained(world)
    path = world.data_dir / "datasets" / "digits-0002" / "train.parquet"

    path.write_bytes(path.read_bytes()[:-1] + b"?")

    with pytest.raises(DatasetDamaged):
        read(path.parent.parent, "digits-0002").rows()


def test_a_run_that_was_killed_before_it_told_leaves_no_trace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without a fact are no dataset: the next run takes the name and writes them anew."""
    world.live(100, right=0.6)
    world.refresh(only="labeled_set")
    with monkeypatch.context() as killed:
        killed.setattr(facts, "append", lambda *_: 1 / 0)
        assert not world.retrain().success
    stale = world.data_dir / "datasets" / "digits-0002" / "stale"
    stale.touch()

    assert world.retrain().success

    assert [fact.body["dataset_version"] for fact in world.facts(facts.DATASET_COMPILED)] == ["digits-0002"]
    assert not stale.exists()
    assert list((world.data_dir / "datasets").glob(".*")) == []


def test_a_promotion_is_not_undone_by_a_retry(world: World) -> None:
    """The last step run once more finds its candidate serving and changes nothing."""
    _trained(world)
    before = len(world.facts(facts.MODEL_PROMOTED))

    result = dg.materialize(
        [each for each in world.definitions.assets if isinstance(each, dg.AssetsDefinition)],
        instance=world.instance,
        resources=world.resources,
        selection="champion_model",
    )

    assert result.success
    assert len(world.facts(facts.MODEL_PROMOTED)) == before


@pytest.mark.usefixtures("guessing")
def test_a_champion_that_moved_meanwhile_is_not_overwritten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was promoted by hand between evaluation and gate stays: the candidate was never compared with them."""

    def decided(*_: Any) -> Verdict:
        by_hand = RegisteredModel(1, "digits", "by-hand")
        with Session(world.database.engine) as session:
            promote(session, by_hand, "by hand", DAY, world.pepper)
            session.commit()
        return Verdict(True, ["better than the one before"])

    monkeypatch.setattr(models, "decide", decided)

    result = _trained(world)

    serving = _champion(world)
    assert not result.success
    assert serving is not None and serving.model_version == "by-hand"


def test_a_champion_without_an_artifact_is_taken_at_its_word(world: World) -> None:
    """It is judged by what it answered; golden rows that another version answered are left out for both."""
    registered = register(world.database, world.log.settings, "digits", None, "digits-0007")
    with Session(world.database.engine) as session:
        promote(session, registered, "by hand", DAY, world.pepper)
        session.commit()
    world.live(300, right=0.9)
    world.live(300, right=0.5, version="digits-0007", start=DAY + timedelta(hours=1), seed=1)
    world.refresh(only="labeled_set")

    assert world.retrain().success

    sides = {row["role"]: row for row in world.rows("model_evaluation")}
    golden = [row for row in world.rows("labeled_set") if row["is_golden"] and row["model_version"] == "digits-0007"]
    assert sides["champion"]["rows"] == sides["candidate"]["rows"] == len(golden)
    assert 0.3 < sides["champion"]["accuracy"] < 0.7
    serving = _champion(world)
    assert serving is not None and (serving.model_version, serving.previous_version) == ("digits-0008", "digits-0007")


def test_each_model_has_datasets_of_its_own(world: World) -> None:
    """A run trains the model that it was asked for; without a name it is the one with the most labels."""
    world.live(100, right=0.6)
    for n in range(60):
        world.infer(f"other-{n}", str(n % 2), model_name="other", model_version="other-0001", inputs={"x": n % 2})
        world.say(f"other-{n}", value={"label": str(n % 2)}, model_version="other-0001")
    world.refresh(only="drift_report")

    world.retrain(model_name="other")
    world.retrain()

    told = [(fact.body["model_name"], fact.body["rows"]) for fact in world.facts(facts.DATASET_COMPILED)]
    assert [name for name, _ in told] == ["other", "digits"]
    assert {row["model_version"] for row in _dataset(world, "other-0002")[0]} == {"other-0001"}
    assert {row["model_name"] for row in world.rows("drift_report")} == {"digits", "other"}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], "m-0001"),
        (["m-0001", "m-0003", "other-0009"], "m-0004"),
        (["m-12", "m-00010", "m-x", "mm-0044"], "m-0011"),
        (["m-9999"], "m-10000"),
    ],
)
def test_a_dataset_has_the_next_free_name(known: list[str], expected: str) -> None:
    """Numbers go up for ever, over datasets and models alike; names that only look alike do not count."""
    assert next_version("m", known) == expected
