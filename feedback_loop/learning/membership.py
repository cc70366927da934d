"""Membership: which feedback is in a dataset, which is not, and why; decided over narrow columns, as stages.

Every feedback that a format reads ends in exactly one outcome. Later stages see only what the earlier ones left, and a
stage that must know a number (a bound, a count) asks the workbench for it, so that no wide table is ever sorted.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning import dataset_formats, sampling_strategies
from feedback_loop.learning.datasets import is_held_out
from feedback_loop.learning.influence import MOST_SAMPLED, actor, level, share_cap
from feedback_loop.learning.recipes import Recipe
from feedback_loop.learning.sampling_strategies import Workbench
from feedback_loop.learning.sampling_strategies._base import WEIGHT

if TYPE_CHECKING:
    import ibis

KEPT = "kept"
OUTCOMES = {
    KEPT: "It is in the dataset.",
    "pending": "Its inference was not known.",
    "late": "It came after its policy's wait was over.",
    "mismatched": "It names another model than the logged one.",
    "undone": "It was retracted or superseded.",
    "held": "A route held it back until somebody looks at it.",
    "not-heard": "Its user is suspended or held, or mostly wrong.",
    "routed-elsewhere": "No route leads it to datasets.",
    "broke-a-rule": "It did not keep the expectations.",
    "filtered-out": "The recipe asks for other types, sources, versions or segments.",
    "outside-window": "It was received outside the recipe's window.",
    "no-consent": "Its user does not consent to training.",
    "golden": "Its inference is held out for good, to judge models.",
    "unusable": "It does not say what an example of this format needs.",
    "in-base": "Its inference is in the dataset that this one appends to.",
    "outranked": "A more trusted or a newer one speaks of the same inference.",
    "over-actor-cap": "Its user has as many examples as one may have.",
    "not-sampled": "The sampling strategy chose others.",
    "over-share-cap": "Its user would have more than the share one may have.",
    "inputs-unreadable": "The inputs that its inference refers to could not be read.",
}
"""Why a feedback is where it is, in the order in which it is asked."""

CHOSEN = ("example", "last_offset", "feedback_offset", "inference_offset", "weight", "split", "actor")
"""What is known of an example: `example` names it in its dataset, `last_offset` is its place among the others."""


class Sources(NamedTuple):
    """What a dataset is compiled from, as of one offset of the log; tables of one project or of all.

    `feedback` is ATTRIBUTED_SCHEMA with `outcome` (null, or why it was set aside) and perhaps `trust`; `inferences` is
    INFERENCE_SCHEMA with the enrichers' columns; `base` are the inference offsets in the dataset appended to, if any.
    """

    feedback: "ibis.Table"
    inferences: "ibis.Table"
    base: "ibis.Table | None" = None


class Members(NamedTuple):
    """`all`: feedback_offset, inference_offset, outcome of each feedback looked at; `chosen`: CHOSEN of each example,
    where feedback_offset is that of the newest feedback it rests on, and null where it rests on silence.
    """

    all: "ibis.Table"
    chosen: "ibis.Table"


def members(sources: Sources, recipe: Recipe, project_id: int, bench: Workbench) -> Members:
    """Who is in the dataset that `recipe` describes."""
    looked_at = bench.hold(_looked_at(sources, recipe, project_id), "looked_at")
    units = bench.hold(_units(looked_at, sources, recipe, project_id), "units")
    capped = _within_actor_cap(units, recipe, bench)
    strategy = sampling_strategies.collect()[recipe.sampling.strategy](recipe.sampling.options)
    sampled = bench.hold(strategy.sampled(capped, recipe.rows, recipe.seed, bench), "sampled")
    shared = _within_share_cap(sampled, recipe, bench)
    chosen = bench.hold(_split(_weighed(shared, recipe), recipe, bench), "chosen")
    stages = {"outranked": units, "over-actor-cap": capped, "not-sampled": sampled, "over-share-cap": shared}
    for cap, before in (("over-actor-cap", units), ("over-share-cap", sampled)):
        if stages[cap] is before:  # it left out nobody
            del stages[cap]
    return Members(_told(looked_at, stages, recipe), chosen)


def _looked_at(sources: Sources, recipe: Recipe, project_id: int) -> "ibis.Table":
    """Every feedback that the format reads, with its outcome as far as it can be told of it alone."""
    import ibis

    kind = dataset_formats.collect()[recipe.format]()
    feedback, asked = sources.feedback, sources.inferences
    mine = feedback.filter(
        feedback.project_id == project_id,
        feedback.model_name == recipe.model_name,
        feedback.feedback_type.isin(kind.reads),
        ~feedback.is_retraction,
    )
    known = asked.rename({f"i_{name}": name for name in asked.columns if name in mine.columns})
    told = mine.left_join(known, mine.inference_offset == known.i_log_offset)
    outcome = ibis.cases(
        (told.outcome.notnull(), told.outcome),
        (told.state == "orphaned", "pending"),
        (told.state != "attributed", told.state),
        (told.is_undone, "undone"),
        (~_is_asked_for(told, recipe), "filtered-out"),
        (~_is_in_window(told, recipe), "outside-window"),
        (~told.training_consent, "no-consent"),
        (is_held_out(told, told.inference_offset, feedback, recipe.golden_share), "golden"),
        (~kind.is_usable(told), "unusable"),
        (_in_base(told.inference_offset, sources.base), "in-base"),
        else_=ibis.null("string"),
    )
    columns = {
        "feedback_offset": told.log_offset,
        "inference_offset": told.inference_offset,
        "outcome": outcome,
        "rank": _rank(told, recipe),
        "name": told.feedback_id if kind.unit == "feedback" else told.inference_request_id,
        "actor": actor(told),
        "trust": told.trust if "trust" in told.columns else ibis.literal(1.0),
    }
    wanted = ["pass_probability", *sampling_strategies.collect()[recipe.sampling.strategy].reads]
    if recipe.split is not None:
        columns |= {"request": told.inference_request_id, "received_at": told.received_at}
    return told.select(**columns, **{name: told[name] for name in wanted if name not in columns})


def _is_asked_for(told: "ibis.Table", recipe: Recipe) -> Any:
    import ibis

    from feedback_loop.learning.sql_functions import member

    where, tests = recipe.where, [ibis.literal(True)]
    if recipe.labels:
        tests.append(told.feedback_type.isin(recipe.labels))
    if where.feedback_types:
        tests.append(told.feedback_type.isin(where.feedback_types))
    if where.source_kinds:
        tests.append(told.source_kind.isin(where.source_kinds))
    if where.model_versions:
        tests.append(told.model_version.isin(where.model_versions))
    tests += [(member(told.segments, f"/{name}") == value).fill_null(False) for name, value in where.segments.items()]
    return ibis.and_(*tests)


def _is_in_window(told: "ibis.Table", recipe: Recipe) -> Any:
    import ibis

    tests = [ibis.literal(True)]
    if recipe.window.start:
        tests.append(told.received_at >= recipe.window.start)
    if recipe.window.end:
        tests.append(told.received_at < recipe.window.end)
    return ibis.and_(*tests)


def _in_base(inference_offset: Any, base: "ibis.Table | None") -> Any:
    import ibis

    return ibis.literal(False) if base is None else inference_offset.isin(base.inference_offset)


def _rank(told: "ibis.Table", recipe: Recipe) -> Any:
    """How trusted the word of a feedback is, and within that how new: the greatest wins."""
    import ibis

    trust = recipe.labels or dataset_formats.collect()[recipe.format].trust
    if not trust:
        return told.log_offset
    places = ibis.cases(
        *((told.feedback_type == name, len(trust) - place) for place, name in enumerate(trust)), else_=0
    )
    return places.cast("int64") * (1 << 56) + told.log_offset


def _units(looked_at: "ibis.Table", sources: Sources, recipe: Recipe, project_id: int) -> "ibis.Table":
    """The candidates, one row an example: the feedback it rests on, or the newest of those."""
    kind = dataset_formats.collect()[recipe.format]
    free = looked_at.filter(looked_at.outcome.isnull()).drop("outcome")
    if kind.unit == "feedback":
        return free.mutate(example=free.feedback_offset, last_offset=free.feedback_offset)
    best = free.group_by("inference_offset").agg(best_rank=free["rank"].max())
    found = free.inner_join(best, [free.inference_offset == best.inference_offset, free["rank"] == best.best_rank])
    units = found.select(*free.columns, example=found.inference_offset, last_offset=found.feedback_offset)
    return units if recipe.silence is None else units.union(_silent(units, looked_at, sources, recipe, project_id))


def _silent(
    units: "ibis.Table", looked_at: "ibis.Table", sources: Sources, recipe: Recipe, project_id: int
) -> "ibis.Table":
    """The inferences that nobody spoke of, as candidates."""
    import ibis

    asked = sources.inferences
    mine = asked.filter(asked.project_id == project_id, asked.model_name == recipe.model_name, asked.has_inputs)
    is_golden = is_held_out(mine, mine.log_offset, sources.feedback, recipe.golden_share)
    mine = mine.filter(~is_golden, ~_in_base(mine.log_offset, sources.base))
    if recipe.where.model_versions:
        mine = mine.filter(mine.model_version.isin(recipe.where.model_versions))
    mine = mine.filter(_is_in_window(mine, recipe))
    if recipe.format == "bandit":
        mine = mine.filter(mine.propensity.notnull())
    quiet = mine.anti_join(looked_at, mine.log_offset == looked_at.inference_offset)
    told = {name: quiet[name] for name in quiet.columns} | {
        "inference_offset": quiet.log_offset,
        "example": quiet.log_offset,
        "last_offset": quiet.log_offset,
        "name": quiet.inference_request_id,
        "request": quiet.inference_request_id,
        "pass_probability": ibis.literal(1.0),
        "trust": ibis.literal(1.0),
        "reward": ibis.literal(recipe.silence),
        "label": quiet.answer_label,
    }
    kinds = units.schema()
    return quiet.select(**{name: told.get(name, ibis.null()).cast(kinds[name]) for name in units.columns})


def _within_actor_cap(units: "ibis.Table", recipe: Recipe, bench: Workbench) -> "ibis.Table":
    """Of each end user the newest `per_actor`; only those who have more are put in order. `units`, if nobody has."""
    counted = units.filter(units.actor.notnull()).group_by("actor").agg(examples=lambda t: t.count())
    heavy = bench.hold(counted.filter(counted.examples > recipe.caps.per_actor), "heavy")
    if not bench.rows(heavy.limit(1)):
        return units
    placed = _placed(units.semi_join(heavy, "actor"))
    last = placed.filter(placed.place == recipe.caps.per_actor - 1)
    bounds = bench.hold(last.select("actor", least=last.last_offset), "bounds")
    joined = units.left_join(bounds, "actor")
    within = joined.least.isnull() | (joined.last_offset >= joined.least)
    return bench.hold(joined.filter(within).select(*units.columns), "capped")


def _within_share_cap(sampled: "ibis.Table", recipe: Recipe, bench: Workbench) -> "ibis.Table":
    """Of each end user the newest as far as their share goes; `sampled`, where the other cap is smaller."""
    total = bench.rows(sampled.agg(rows=sampled.count()))[0]["rows"]
    if recipe.caps.per_actor <= recipe.caps.share * total:
        return sampled
    voters = sampled.filter(sampled.actor.notnull())
    counts = [row["examples"] for row in bench.rows(voters.group_by("actor").agg(examples=voters.count()))]
    height = level(counts, total - sum(counts), share_cap(len(counts), recipe.caps.share))
    placed = _placed(sampled)
    within = placed.actor.isnull() | (placed.place + 1 <= max(height, 1.0))
    return bench.hold(placed.filter(within).drop("place"), "shared")


def _placed(units: "ibis.Table") -> "ibis.Table":
    """Examples with their place among those of their user, the newest first."""
    import ibis

    newest = ibis.window(group_by="actor", order_by=ibis.desc("last_offset"))
    return units.mutate(place=ibis.row_number().over(newest))


def _weighed(units: "ibis.Table", recipe: Recipe) -> "ibis.Table":
    """What each example stands for."""
    import ibis

    weight = units.trust
    if "pass_probability" in recipe.weights:
        weight = weight * ibis.least(1.0 / units.pass_probability, MOST_SAMPLED)
    sampled = units[WEIGHT] if "sampling" in recipe.weights else 1.0
    return units.mutate(weight=(weight * sampled).cast("float64"))


def _split(units: "ibis.Table", recipe: Recipe, bench: Workbench) -> "ibis.Table":
    """Each example with the split it belongs to."""
    import ibis

    from feedback_loop.learning.sql_functions import chance

    columns = [name for name in CHOSEN if name != "split"]
    if recipe.split is None:
        return units.select(*columns, split=ibis.literal("train"))
    if recipe.split.by == "time":
        share = 1 - recipe.split.test_share
        row = bench.rows(units.agg(since=units.received_at.epoch_seconds().quantile(share)))
        since = row[0]["since"] or 0
        is_test = units.received_at.epoch_seconds() > since
    else:
        group = ibis.coalesce(units.actor, units.request) if recipe.split.by == "user" else units.request
        is_test = chance(group, recipe.seed, "split") < recipe.split.test_share
    return units.select(*columns, split=ibis.ifelse(is_test, "test", "train"))


def _told(looked_at: "ibis.Table", stages: "dict[str, ibis.Table]", recipe: Recipe) -> "ibis.Table":
    """Every feedback with its outcome: the name of the first stage that it, or where all of an inference make one
    example its inference, did not come to.
    """
    import ibis

    is_shared = dataset_formats.collect()[recipe.format].unit == "inference"
    key = "inference_offset" if is_shared else "feedback_offset"
    told = looked_at.select("feedback_offset", "inference_offset", "outcome")
    for name, stage in stages.items():
        reached = stage.select(**{name: stage[key]})
        told = told.left_join(reached, told[key] == reached[name])
    outcome = ibis.cases(
        (told.outcome.notnull(), told.outcome), *((told[name].isnull(), name) for name in stages), else_=KEPT
    )
    return told.select("feedback_offset", "inference_offset", outcome=outcome)
