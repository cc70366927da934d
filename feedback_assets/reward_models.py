"""Reward models: which model's pairs are worth one, the dataset it learns from, and the fact that puts it in force."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_assets import facts
from feedback_assets.compiling import SEED, compile_dataset
from feedback_assets.resources import LogResource
from feedback_ingest.clock import utc_now
from feedback_loop.learning.dataset_formats.reward_model import RewardModel as PairFormat
from feedback_loop.learning.errors import TooLittleToLearn
from feedback_loop.learning.membership import Sources
from feedback_loop.learning.recipes import Recipe, Split
from feedback_loop.learning.reward_model import TRAINED, Pair, PairAccuracy, fit, is_due, judged, pair_accuracy
from feedback_loop.registry.reward_models import shelf_name
from feedback_loop.registry.shelf import ALIAS, CHALLENGER, follow_alias, register

if TYPE_CHECKING:
    import pyarrow as pa

    from feedback_loop.registry.dataset_shelf import Dataset

MOST_PAIRS = 20_000
SPLIT = Split(by="inference")
"""Pairs of one question are never on both sides: two people often judge the same two answers."""


class Learnt(NamedTuple):
    """What came of one model's pairs; `version` and `accuracy` are None where nothing was trained this time."""

    project_id: int
    model_name: str
    pairs: int
    reason: str
    version: str | None = None
    is_in_force: bool = False
    accuracy: PairAccuracy | None = None
    telling: tuple[tuple[str, float], ...] = ()
    """The words that raise or lower a score most."""


def trained(log: LogResource, sources: Sources, log_offset: int) -> list[Learnt]:
    """One for each model that answers were compared of, by project and name; trained where there are enough new pairs.

    Raises what `compile_dataset` does.
    """
    with log.session() as session:
        told = facts.read(session, (TRAINED,))
    found = []
    for project_id, model_name, pairs in _compared(sources):
        last = facts.of_model(told, project_id, model_name)[-1:]
        known = last[0].body["pairs"] if last else 0
        if is_due(pairs - known, known):
            found.append(_trained(log, sources, (project_id, model_name, pairs), log_offset))
        else:
            reason = f"{pairs} pairs, of which {pairs - known} are new: too few"
            found.append(Learnt(project_id, model_name, pairs, reason))
    return found


def _compared(sources: Sources) -> list[tuple[int, str, int]]:
    """How many pairs each model has: what was told apart and stands."""
    said = sources.feedback
    stands = said.filter(
        said.feedback_type.isin(PairFormat.reads),
        said.state == "attributed",
        ~said.is_undone,
        ~said.tie.fill_null(False),
        said.outcome.isnull(),
    )
    sums = stands.group_by("project_id", "model_name").agg(pairs=stands.count())
    rows = sums.order_by("project_id", "model_name").to_pyarrow().to_pylist()
    return [(row["project_id"], row["model_name"], row["pairs"]) for row in rows]


def _trained(log: LogResource, sources: Sources, of: tuple[int, str, int], log_offset: int) -> Learnt:
    project_id, model_name, count = of
    recipe = Recipe(
        model_name=model_name,
        format=PairFormat.name,
        rows=MOST_PAIRS,
        split=SPLIT,
        golden_share=log.settings.golden_share,
        seed=SEED,
    )
    dataset = compile_dataset(log, sources, recipe, project_id, log_offset)
    pairs, held_out = _pairs(dataset, "train"), _pairs(dataset, "test")
    try:
        model = fit(pairs, SEED)
    except TooLittleToLearn as error:
        return Learnt(project_id, model_name, count, str(error))
    accuracy = pair_accuracy(model, pairs, held_out)
    is_in_force, reason = judged(accuracy)
    found = Learnt(project_id, model_name, count, reason, dataset.version, is_in_force, accuracy, model.telling())
    _put(log, found, model.to_bytes(), dataset)
    return found


def _pairs(dataset: "Dataset", split: str) -> list[Pair]:
    if not dataset.manifest["splits"].get(split):
        return []
    rows = dataset.rows(split).to_pylist()
    return [Pair(row["prompt"], row["chosen"], row["rejected"], row["margin"] * row["weight"]) for row in rows]


def _put(log: LogResource, found: Learnt, artifact: bytes, dataset: "Dataset") -> None:
    """On the shelf under the dataset's name, with the alias it has earned, then in the log: from there on it counts."""
    assert found.accuracy is not None and found.version is not None
    scores = {f"pair_accuracy_{name}": value for name, value in found.accuracy._asdict().items() if name != "pairs"}
    params = {"seed": SEED, "pairs": found.pairs, "row_digest": dataset.manifest["row_digest"]}
    tags = {"dataset_version": dataset.version, "log_offset": str(dataset.manifest["log_offset"])}
    name = shelf_name(found.model_name)
    register(log.database, log.settings, name, artifact, found.version, scores, params, tags, found.project_id)
    alias = ALIAS if found.is_in_force else CHALLENGER
    follow_alias(log.database, found.project_id, name, found.version, alias)
    body = {
        "model_name": found.model_name,
        "model_version": found.version,
        "dataset_version": dataset.version,
        "pairs": found.pairs,
        "is_in_force": found.is_in_force,
        "reason": found.reason,
        "held_out": found.accuracy.pairs,
        **scores,
    }
    with log.session() as session:
        facts.append(session, log.pepper, found.project_id, TRAINED, found.version, body, utc_now())


def rows(found: Sequence[Learnt]) -> "pa.Table":
    """One row a model."""
    import pyarrow as pa

    numbers = ("accuracy", "by_length", "by_side")
    schema = pa.schema(
        [("project_id", pa.int32()), ("model_name", pa.string()), ("pairs", pa.int64()), ("reason", pa.string()),
         ("reward_model_version", pa.string()), ("is_in_force", pa.bool_()), ("held_out", pa.int64()),
         *((name, pa.float64()) for name in numbers)]
    )  # fmt: skip
    return pa.Table.from_pylist([row_of(each) for each in found], schema)


def row_of(found: Learnt) -> dict[str, Any]:
    """What came of one model's pairs, flat."""
    told = {name: getattr(found, name) for name in ("project_id", "model_name", "pairs", "reason", "is_in_force")}
    held_out, *shares = found.accuracy or (None, None, None, None)
    named = dict(zip(("accuracy", "by_length", "by_side"), shares, strict=True))
    return {**told, "reward_model_version": found.version, "held_out": held_out, **named}
