"""Recipes: what a dataset is made of, as data that is checked before anything is compiled."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta, Struct

from feedback_ingest.envelopes import shape_faults
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_loop.learning import dataset_formats, sampling_strategies
from feedback_loop.learning.influence import MOST_ROWS, SHARE

Count = Annotated[int, Meta(ge=1, le=100_000_000)]
Part = Annotated[float, Meta(gt=0, lt=1)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Names = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=64)]
Pointer = Annotated[str, Meta(max_length=256, pattern=r"\A(/[^/]+)*\Z")]


Weight = Literal["pass_probability", "sampling", "traffic"]
"""What an example stands for: events its client sampled, examples the strategy left out, answers nobody spoke of."""


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a recipe: unknown names are refused."""


class Where(_Part, frozen=True):
    """Which feedback is looked at; what is not named is not asked for."""

    feedback_types: Names | None = None
    source_kinds: Names | None = None
    model_versions: Names | None = None
    segments: dict[Name, str] = {}


class Window(_Part, frozen=True):
    """Received from `start` (inclusive) to `end` (exclusive)."""

    start: datetime | None = None
    end: datetime | None = None


class Caps(_Part, frozen=True):
    """What one end user may have of the examples: so many, and at most this share of all."""

    per_actor: Count = MOST_ROWS
    share: Part = SHARE


class Split(_Part, frozen=True):
    """A part that is held apart as `test`: the newest, or all of some users or inferences."""

    by: Literal["time", "user", "inference"]
    test_share: Part = 0.2


class Sampling(_Part, frozen=True):
    """How examples are chosen where there are more than `rows`."""

    strategy: Name = "newest"
    options: dict[Name, Any] = {}


class Recipe(_Part, frozen=True):
    """How a dataset is made of attributed feedback; equal recipes over an equal log give equal bytes.

    `labels` is whose word counts where several speak of an inference, the most trusted first (default: the format's);
    `weights` are multiplied; `silence` is the reward of an inference that nobody spoke of (by default it is no
    example); `prompt` points into the inputs; `jsonl` writes the rows as JSON lines too; `appends_to` is a
    dataset whose rows are kept as they are, and only what came later is added.
    """

    model_name: Name
    format: Name = "tabular"
    rows: Count = 5_000
    where: Where = Where()
    window: Window = Window()
    labels: Names | None = None
    weights: tuple[Weight, ...] = ("pass_probability", "sampling", "traffic")
    caps: Caps = Caps()
    sampling: Sampling = Sampling()
    split: Split | None = None
    silence: float | None = None
    prompt: Pointer | None = None
    jsonl: bool = False
    golden_share: Part = 0.2
    seed: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    appends_to: Name | None = None

    def as_data(self) -> dict[str, Any]:
        """The recipe as plain JSON data, every default said; what is not asked for is left out."""
        return {name: value for name, value in orjson.loads(msgspec.json.encode(self)).items() if value is not None}


def recipe_of(data: Any, golden_share: float) -> Recipe:
    """The recipe that `data` is; `golden_share` is the holdout that models are judged on, and the least it may say.

    Raises ValidationFailed with the fields at fault.
    """
    if isinstance(data, Mapping):
        data = {"golden_share": golden_share, **data}
    faults = shape_faults(data, Recipe)
    if faults:
        raise ValidationFailed(_told(faults), tuple(faults))
    try:
        recipe = msgspec.convert(data, Recipe)
    except msgspec.ValidationError as error:
        raise ValidationFailed(str(error), (Fault("", "wrong-shape"),)) from error
    found = tuple(_contradictions(recipe, golden_share))
    if found:
        raise ValidationFailed(_told([fault for fault, _ in found], [remedy for _, remedy in found]),
                               tuple(fault for fault, _ in found))  # fmt: skip
    return recipe


def _contradictions(recipe: Recipe, golden_share: float) -> list[tuple[Fault, str]]:
    """What is well-formed and cannot be done, each with its remedy."""
    found = []
    if recipe.format not in dataset_formats.collect():
        found.append((Fault("/format", "unknown-name"), f"one of {', '.join(dataset_formats.collect())}"))
    else:
        known = dataset_formats.collect()[recipe.format].reads
        for place, named in (("/where/feedback_types", recipe.where.feedback_types), ("/labels", recipe.labels)):
            if named and not set(named) <= set(known):
                found.append((Fault(place, "not-read"), f"some of {', '.join(known)}"))
    strategies = sampling_strategies.collect()
    if recipe.sampling.strategy not in strategies:
        found.append((Fault("/sampling/strategy", "unknown-name"), f"one of {', '.join(strategies)}"))
    else:
        options = shape_faults(recipe.sampling.options, strategies[recipe.sampling.strategy].Options)
        found += [(Fault(f"/sampling/options{each.pointer}", each.code), "see the strategy's options")
                  for each in options]  # fmt: skip
    if recipe.golden_share < golden_share:
        found.append((Fault("/golden_share", "too-small"), f"at least FEEDBACK_GOLDEN_SHARE, {golden_share}"))
    window = recipe.window
    for name in ("start", "end"):
        moment = getattr(window, name)
        if moment is not None and moment.tzinfo is None:
            found.append((Fault(f"/window/{name}", "bad-format"), "a time with its offset, as 2026-03-01T00:00:00Z"))
    if not found and window.start and window.end and window.start >= window.end:
        found.append((Fault("/window/end", "before-start"), "an end after the start"))
    return found


def _told(faults: list[Fault], remedies: list[str] | None = None) -> str:
    """The faults in one line."""
    ends = [f" (give {remedy})" for remedy in remedies] if remedies else [""] * len(faults)
    said = [f"{fault.pointer or '/'}: {fault.code}{end}" for fault, end in zip(faults, ends, strict=True)]
    return "The recipe cannot be compiled: " + "; ".join(said) + "."
