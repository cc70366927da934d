"""What is replayed: the snapshot of each model's transitions, a policy learnt from it, and what rehearsal saves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_assets.compiling import SEED, NothingLabelled, most_labelled
from feedback_assets.lake import executed, held
from feedback_assets.resources import LogResource
from feedback_assets.routing import routed
from feedback_loop.learning.errors import TooLittleToLearn
from feedback_loop.learning.off_policy import Judged, Logged, judge
from feedback_loop.learning.transitions import transitions

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from feedback_loop.learning.rehearsal import Forgetting

SEEDS = range(5)
JUDGED_SHARE = 0.2
"""The newest transitions judge a policy that was learnt from the others."""


class Policy(NamedTuple):
    """A policy learnt by replay: what it rests on, how often it would do what was done, and what that would earn."""

    project_id: int
    model_name: str
    transitions: int
    actions: int
    agreement: float | None
    judged: Judged


def snapshot(log: LogResource, enriched: "ibis.Table", inferences: "ibis.Table", upto_offset: int) -> "ibis.Table":
    """The transitions that are kept for replay, as the log says up to an offset; nothing that is held or undone."""
    import ibis

    from feedback_loop.learning.replaying import KEPT, kept

    with log.session() as session:
        sent = routed(enriched.filter(enriched.log_offset <= upto_offset), session, upto_offset, "replay_buffer")
    table = held(transitions(sent, inferences.filter(inferences.log_offset <= upto_offset)), "transitions")
    ordered = table.select(*KEPT).order_by("log_offset")
    found = kept(executed(ordered), log.settings.replay_rows, log.settings.rehearsal_rows, SEED)
    return table.inner_join(ibis.memtable(found), "log_offset").order_by("log_offset")


def learnt_policies(buffer: "ibis.Table") -> list[Policy]:
    """For each model a policy learnt from the older transitions, judged on the newest; by project and name."""
    keys = ["project_id", "model_name"]
    models = buffer.select(*keys).distinct().order_by(keys).to_pyarrow().to_pylist()
    return [
        _policy(buffer.filter(buffer.project_id == m["project_id"], buffer.model_name == m["model_name"]))
        for m in models
    ]


def _policy(buffer: "ibis.Table") -> Policy:
    from feedback_loop.learning.replay_buffers import Limits
    from feedback_loop.learning.replaying import Memory
    from feedback_loop.learning.value_learning import learn

    rows = buffer.filter(buffer.is_newest).order_by("log_offset").to_pyarrow()
    judged_from = len(rows) - int(len(rows) * JUDGED_SHARE)
    name = rows["project_id"][0].as_py(), rows["model_name"][0].as_py(), len(rows)
    try:
        values = learn(Memory(rows.slice(0, judged_from), "prioritised", Limits(len(rows), SEED)))
    except TooLittleToLearn as error:
        return Policy(*name, 0, None, Judged(0, 0.0, 0.0, None, refusal=str(error)))
    newest = rows.slice(judged_from).to_pylist()
    best = values.best([row["state"] for row in newest])
    agrees = [row["action"] == action for row, action in zip(newest, best, strict=True)]
    logged = [
        Logged(row["reward"], row["propensity"], float(same))
        for row, same in zip(newest, agrees, strict=True)
        if row["propensity"]
    ]
    agreement = sum(agrees) / len(agrees) if agrees else None
    return Policy(*name, len(values.actions), agreement, judge(logged))


def rehearsed(labeled: "ibis.Table", capacity: int) -> "tuple[str, list[Forgetting], str]":
    """The model with the most labels, what it forgets of each stretch of its life, and why nothing is told, if so."""
    from feedback_loop.learning.rehearsal import forgetting, stretches

    try:
        project_id, model_name = most_labelled(labeled)
    except NothingLabelled as error:
        return "", [], str(error)
    mine = labeled.filter(labeled.project_id == project_id, labeled.model_name == model_name)
    usable = mine.filter(mine.training_consent, mine.inputs.notnull()).order_by("feedback_offset")
    rows = usable.select("inputs", "label", "is_golden").to_pyarrow().to_pylist()
    try:
        return model_name, forgetting(stretches(rows), SEEDS, capacity), ""
    except TooLittleToLearn as error:
        return model_name, [], str(error)


def policy_rows(found: Sequence[Policy]) -> "pa.Table":
    """One row a policy."""
    import pyarrow as pa

    schema = pa.schema(
        [("project_id", pa.int32()), ("model_name", pa.string()), ("transitions", pa.int64()), ("actions", pa.int64()),
         ("agreement", pa.float64()), ("on_policy", pa.float64()), ("snips", pa.float64()), ("low", pa.float64()),
         ("high", pa.float64()), ("refusal", pa.string())]
    )  # fmt: skip
    return pa.Table.from_pylist([policy_row(each) for each in found], schema)


def policy_row(found: Policy) -> dict[str, Any]:
    """A policy flat: what it would earn (SNIPS) with its interval, or why that is not told."""
    told = {name: getattr(found, name) for name in ("project_id", "model_name", "transitions", "actions", "agreement")}
    snips = found.judged.snips
    interval = {"snips": snips.value, "low": snips.low, "high": snips.high} if snips else {}
    return {**told, "on_policy": found.judged.on_policy, **interval, "refusal": found.judged.refusal}


def forgetting_rows(model_name: str, found: "Sequence[Forgetting]") -> "pa.Table":
    """One row a stretch."""
    import pyarrow as pa

    numbers = ("without", "without_spread", "rehearsed", "rehearsed_spread")
    schema = pa.schema(
        [("model_name", pa.string()), ("task", pa.string()), ("rows", pa.int64()), ("held", pa.int64()),
         *((name, pa.float64()) for name in numbers)]
    )  # fmt: skip
    return pa.Table.from_pylist([{"model_name": model_name, **each._asdict()} for each in found], schema)
