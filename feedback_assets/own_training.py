"""Training by a script of the user's own, in any language, through Dagster Pipes; its models are asked the same way.

What it learns and how its artifact looks is the script's own affair: nothing of it is ever loaded here.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import dagster as dg
import orjson
from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.dataset_files import copied
from feedback_assets.resources import LogResource
from feedback_ingest.errors import FeedbackError
from feedback_loop.learning.training import Prediction
from feedback_loop.registry.dataset_shelf import Dataset

CHOSEN = "training_command"
"""What `model_trained` names as the learner of such a model."""


class ScriptFailed(FeedbackError):
    """The training script ended well, but did not leave what it was asked for; the message says what."""

    code = "training-script-failed"


@dataclass(frozen=True, slots=True)
class Script:
    """The command of the settings, and the client that starts it: here, or wherever that client starts things."""

    context: dg.AssetExecutionContext
    client: Any
    log: LogResource

    def train(self, dataset: Dataset, seed: int) -> "OwnModel":
        """Has the script learn a dataset; raises ScriptFailed, and what the client raises where the script fails."""
        with TemporaryDirectory(prefix=".training-", dir=self.log.settings.data_dir) as name:
            folder = Path(name).resolve()
            [rows] = [path for path in copied(dataset, folder, "jsonl") if path.stem == "train"]
            model = folder / "model"
            told = {
                "task": "train",
                "dataset": str((dataset.folder / "train.parquet").resolve()),
                "rows": str(rows),
                "seed": seed,
                "params": self.log.settings.training_params,
                "model": str(model),
            }
            said = self._run(told)
            if not model.is_file():
                raise ScriptFailed("the training script wrote no file to the path in its extra `model`")
            return OwnModel(self, model.read_bytes(), dataset.manifest["splits"]["train"], _metrics(said))

    def answers(self, artifact: bytes, inputs: Sequence[Any]) -> tuple[list[Any], Mapping[str, float]]:
        """What the model answers each of `inputs`, and what the script measured; raises as `train` does."""
        with TemporaryDirectory(prefix=".answers-", dir=self.log.settings.data_dir) as name:
            folder = Path(name).resolve()
            places = {each: folder / each for each in ("model", "inputs", "answers")}
            places["model"].write_bytes(artifact)
            lines = (orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in inputs)
            places["inputs"].write_bytes(b"".join(lines))
            said = self._run({"task": "predict", **{each: str(path) for each, path in places.items()}})
            answers = _labels(places["answers"])
        if len(answers) != len(inputs):
            raise ScriptFailed(f"the training script answered {len(answers)} of {len(inputs)} inputs; one label a line")
        return answers, _metrics(said)

    def _run(self, told: Mapping[str, Any]) -> Sequence[Any]:
        command = shlex.split(self.log.settings.training_command or "")
        done = self.client.run(context=self.context, command=command, extras=dict(told))
        return list(done.get_custom_messages())


@dataclass
class OwnModel:
    """A model that a script trained, as the gate asks it: all inputs at once, since each asking starts a process."""

    chosen: ClassVar[str] = CHOSEN
    validation: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    script: Script
    artifact: bytes
    rows: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    latency_ms: float | None = None
    """What the script said last of how long an answer takes; None where it did not."""

    def predict(self, inputs: Sequence[Any]) -> list[Prediction]:
        """One prediction for each of `inputs`; how sure it is stays unknown."""
        if not inputs:
            return []
        labels, measured = self.script.answers(self.artifact, inputs)
        self.latency_ms = measured.get("latency_ms", self.latency_ms)
        return [Prediction(label, {}) for label in labels]

    def to_bytes(self) -> bytes:
        """The artifact as the script wrote it."""
        return self.artifact


def is_own(session: Session, project_id: int, model_name: str, model_version: str) -> bool:
    """Whether a script of the user's trained the version: then its artifact is not one of ours."""
    trained = facts.of_model(facts.read(session, (facts.MODEL_TRAINED,)), project_id, model_name)
    return any(fact.body["model_version"] == model_version and fact.body.get("chosen") == CHOSEN for fact in trained)


def _labels(path: Path) -> list[Any]:
    try:
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]
    except FileNotFoundError:
        return []
    except orjson.JSONDecodeError as error:
        raise ScriptFailed("the training script's answers are no JSON, one label a line") from error


def _metrics(said: Sequence[Any]) -> dict[str, float]:
    """The numbers of all `{"metrics": {...}}` that the script reported."""
    found = [each["metrics"] for each in said if isinstance(each, dict) and isinstance(each.get("metrics"), dict)]
    return {
        str(name): float(number)
        for metrics in found
        for name, number in metrics.items()
        if isinstance(number, int | float) and not isinstance(number, bool)
    }
