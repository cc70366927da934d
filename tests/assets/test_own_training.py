"""A script of one's own trains and answers through Dagster Pipes: a real process, the same gate, nothing unpickled."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import orjson
import pytest

from examples.own_training import train as example
from feedback_assets import facts
from feedback_assets.own_training import OwnModel, Script, ScriptFailed
from feedback_assets.resources import LogResource
from feedback_loop.learning.manifests import digest_of
from feedback_loop.registry.dataset_shelf import Dataset, sha256_of
from tests.architecture.tree import ROOT
from tests.assets.world import DAY, World

HOW_TO = ROOT / "docs" / "how-to" / "train-with-your-script.md"
EXAMPLE = f"{sys.executable} {Path(example.__file__).resolve()}"
INPUTS = [{"pixels": [4.0 if place == n % 3 else 0.1 for place in range(3)]} for n in range(30)]


def commanded(log: LogResource, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that name a training command."""
    settings = log.settings.model_copy(update={"training_command": command, "training_params": {"depth": 3}})
    monkeypatch.setattr(type(log), "settings", property(lambda _: settings))


def dataset(folder: Path) -> Dataset:
    """Thirty rows of three labels, as the compiler writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    rows = [
        {"inputs": orjson.dumps(given).decode(), "label": f'"{n % 3}"', "weight": 1.0} for n, given in enumerate(INPUTS)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    told = [{"path": path.name, "sha256": sha256_of(path)} for path in folder.iterdir()]
    manifest = {"files": told, "splits": {"train": 30}}
    return Dataset("digits-0002", folder, {**manifest, "digest": digest_of(manifest)})


def within_a_run(log: LogResource, work: Any) -> None:
    """Does some work with a script, in an asset of a run."""

    @dg.asset
    def own(context: dg.AssetExecutionContext) -> dg.Output[bool]:
        work(Script(context, dg.PipesSubprocessClient(), log))
        return dg.Output(True)

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([own], instance=instance)


def test_the_example_learns_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given rows, seed and parameters, and gives a model and metrics; the model answers what it is asked."""
    log, made = LogResource(data_dir=str(tmp_path)), dataset(tmp_path / "dataset")
    commanded(log, EXAMPLE, monkeypatch)
    seen: list[Any] = []

    def work(script: Script) -> None:
        model = script.train(made, seed=7)
        seen.extend([model, model.predict(INPUTS), OwnModel(script, model.artifact).predict([])])

    within_a_run(log, work)

    model, answers, nothing = seen
    assert [answer.label for answer in answers] == [str(n % 3) for n in range(30)]
    assert (model.metrics, model.rows, nothing) == ({"accuracy": 1.0, "rows": 30.0}, 30, [])
    assert model.latency_ms > 0
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"], "nothing is left behind"


def test_a_script_that_leaves_nothing_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that writes no model, and one that fails: the run fails, and says which it was."""
    log, made = LogResource(data_dir=str(tmp_path)), dataset(tmp_path / "dataset")
    for command, error, said in (("true", ScriptFailed, "wrote no file"), ("false", Exception, "exit code 1")):
        commanded(log, command, monkeypatch)
        with pytest.raises(error) as raised:
            within_a_run(log, lambda script: script.train(made, seed=7))
        assert said in str(raised.value) or said.split()[-1] in str(raised.value)


@pytest.mark.chaos
def test_the_gate_judges_it_as_any_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It retrains, is logged to MLflow, beats the champion on golden rows and serves; the next one ties, and does not.

    Its artifact is the script's own JSON: a graph that loaded it as one of ours would fail.
    """
    from feedback_loop.registry.champions import champion, load_artifact
    from feedback_loop.registry.shelf import _client, _shelf_name

    commanded(world.log, EXAMPLE, monkeypatch)
    world.live(300, right=0.6)
    world.refresh(only="labeled_set")
    assert world.retrain().success

    [promoted] = world.facts(facts.MODEL_PROMOTED)
    assert promoted.body["evaluation"]["recent_accuracy"] > 0.9
    assert world.facts(facts.MODEL_TRAINED)[0].body["chosen"] == "training_command"
    with world.log.session() as session:
        assert orjson.loads(load_artifact(champion(session, 1, "digits")))[0][0] == "0"  # type: ignore[arg-type]
    client = _client(world.database)
    run = client.get_run(client.search_model_versions(f"name='{_shelf_name(1, 'digits')}'")[0].run_id)
    assert run.data.metrics["accuracy"] > 0.9
    assert (run.data.params["chosen"], run.data.params["param_depth"]) == ("training_command", "3")

    world.live(200, right=1.0, version="digits-0002", start=DAY.replace(hour=14), seed=1)
    world.refresh(only="labeled_set")
    assert world.retrain().success
    [refused] = world.facts(facts.MODEL_REFUSED)
    assert "not better" in refused.body["reasons"]


def test_another_client_starts_it_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code location that the how-to shows for Kubernetes loads with all assets, and its client is asked for what
    the local one is: of the library only the client is stood in for, by its signature.
    """
    [shown] = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    log, asked = LogResource(data_dir=str(tmp_path)), []
    commanded(log, "python train.py --fast", monkeypatch)

    class PipesK8sClient(dg.PipesClient):
        def run(self, *, context: Any, extras: Any, image: str, command: Any, base_pod_spec: Any) -> Any:  # type: ignore[override]
            asked.append((extras, image, command, base_pod_spec["containers"][0]["volumeMounts"][0]["mountPath"]))
            return SimpleNamespace(get_custom_messages=lambda: ["done"])

    monkeypatch.setitem(sys.modules, "dagster_k8s", SimpleNamespace(PipesK8sClient=PipesK8sClient))
    location: dict[str, Any] = {}
    exec(shown, location)

    dg.Definitions.validate_loadable(location["defs"])
    said = Script(None, location["defs"].resources["pipes"], log)._run({"task": "train"})  # type: ignore[arg-type]

    assert said == ["done"]
    assert asked == [({"task": "train"}, "registry.example/train:1", ["python", "train.py", "--fast"], "/data")]
