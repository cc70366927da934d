"""Triggers as data: conditions combined, what holds them back, and what each says at a moment or over a history."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from feedback_ingest.errors import Fault
from feedback_loop.learning.trigger_conditions import Moment, collect
from feedback_loop.learning.triggers import TriggerDecision

NAME = re.compile(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z", re.ASCII)
DAY_S = 86_400.0
Amount = Annotated[float, Meta(ge=0, le=1e9)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class Wanted(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One condition, and how much of what it counts it takes."""

    kind: Annotated[str, Meta(max_length=64)]
    at_least: Amount = 0


class Trigger(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """When a model is trained anew, beside the drift that every model is watched for.

    `looks` times in a row it must hold; then it fires, once, and again no sooner than `cooldown_s` later and only
    after it had ceased to hold. `budget` trainings a day are the most; 0 is no limit.
    """

    trigger_id: Annotated[str, Meta(max_length=64)]
    conditions: Annotated[tuple[Wanted, ...], Meta(min_length=1, max_length=16)]
    combine: Literal["any", "all"] = "any"
    model_name: Annotated[str, Meta(max_length=256)] | None = None
    min_labels: Count = 150
    looks: Annotated[int, Meta(ge=1, le=1_000)] = 1
    cooldown_s: Amount = 0
    budget: Count = 0

    def faults(self) -> list[Fault]:
        """What is wrong with it beyond its shape, by field."""
        found = [] if NAME.match(self.trigger_id) else [Fault("/trigger_id", "bad-format")]
        known = collect()
        unknown = [place for place, each in enumerate(self.conditions) if each.kind not in known]
        return found + [Fault(f"/conditions/{place}/kind", "not-allowed") for place in unknown]

    def as_data(self) -> dict[str, Any]:
        """The definition as JSON values."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in data.items() if value is not None}


class Memory(NamedTuple):
    """What a trigger remembers of one model: looks in a row at which it held, when it fired, whether it may again."""

    looks: int = 0
    fired_s: tuple[float, ...] = ()
    is_armed: bool = True


def look(
    trigger: Trigger, moment: Moment, memory: Memory, now_s: float, is_another: bool = True
) -> tuple[TriggerDecision, Memory]:
    """The trigger's answer at `now_s` (seconds, on any clock that only goes on), and what it remembers from then on.

    `is_another`: does the moment rest on another report than the last look? The same one, seen twice, counts once.
    """
    met = [collect()[each.kind]().judge(moment, each.at_least) for each in trigger.conditions]
    holds = (all if trigger.combine == "all" else any)(each.holds for each in met)
    reasons = "; ".join(each.reason for each in met if each.holds == holds)
    if not holds:
        return TriggerDecision(False, f"does not hold: {reasons}"), Memory(0, memory.fired_s, True)
    looks = max(memory.looks + is_another, 1)
    why_not = _held_back(trigger, moment, memory, looks, now_s)
    if why_not is not None:
        return TriggerDecision(False, f"{why_not} ({reasons})"), memory._replace(looks=looks)
    return TriggerDecision(True, reasons, "full"), Memory(0, (*memory.fired_s, now_s)[-1_000:], False)


def _held_back(trigger: Trigger, moment: Moment, memory: Memory, looks: int, now_s: float) -> str | None:
    if looks < trigger.looks:
        return f"holds for {looks} of {trigger.looks} looks"
    if not memory.is_armed:
        return "it fired for this already"
    if moment.new_labels < trigger.min_labels:
        return f"{moment.new_labels} of {trigger.min_labels} new labels"
    if memory.fired_s and now_s - memory.fired_s[-1] < trigger.cooldown_s:
        return f"it cools down for {trigger.cooldown_s - (now_s - memory.fired_s[-1]):.0f} s more"
    today = sum(now_s - fired < DAY_S for fired in memory.fired_s)
    if trigger.budget and today >= trigger.budget:
        return f"the budget of {trigger.budget} trainings a day is spent"
    return None


def backtest(trigger: Trigger, history: Iterable[tuple[float, Moment]]) -> list[dict[str, Any]]:
    """What it would have said over a history of (seconds, moment), by the same code.

    Each time it fired, and each time the reason for not firing was another one.
    """
    memory, before, told = Memory(), "", []
    for now_s, moment in history:
        decision, memory = look(trigger, moment, memory, now_s)
        gist = re.sub(r"-?\d[\d.]*", "#", decision.reason)
        if decision.fires or gist != before:
            told.append({"at_s": now_s, "fires": decision.fires, "reason": decision.reason})
        before = gist
    return told


def read(definition: Mapping[str, Any]) -> Trigger | None:
    """A trigger of its definition; None for one that another version of the program wrote and this one cannot read."""
    try:
        return msgspec.convert(definition, Trigger)
    except msgspec.ValidationError:
        return None
