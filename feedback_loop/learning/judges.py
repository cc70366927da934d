"""Judges: which reward model is in force for the answers of a model, as the order of the log says.

A judge speaks of what was answered after it was trained, and of nothing before: what an answer is worth never changes
when the next judge comes, and whoever reads the log again finds the same.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from feedback_loop.learning.dataset_formats import PROMPTS
from feedback_loop.learning.reward_model import RewardModel


class Judge(NamedTuple):
    """A reward model that judges what a model answers after `log_offset`; `model` is None where it cannot be read."""

    project_id: int
    model_name: str
    log_offset: int
    reward_model_version: str
    model: RewardModel | None


class Judges:
    """All judges that the log knows, each in force until the next of the same model."""

    def __init__(self, judges: Iterable[Judge] = ()) -> None:
        self._judges: defaultdict[tuple[int, str], list[Judge]] = defaultdict(list)
        for each in sorted(judges, key=attrgetter("log_offset")):
            self._judges[each.project_id, each.model_name].append(each)

    def of(self, inference: Mapping[str, Any]) -> Judge | None:
        """Who judges the answer of an inference row; None where nobody was there yet."""
        if not self._judges:
            return None
        known = self._judges.get((inference["project_id"], inference["model_name"]), [])
        place = bisect_left(known, inference["log_offset"], key=attrgetter("log_offset"))
        return known[place - 1] if place else None

    def since(self) -> list[Judge]:
        """The first judge of each model: what was answered before it is judged by nobody."""
        return [known[0] for known in self._judges.values()]


def prompt_in(inputs: str) -> str:
    """What a model was asked, as text, from the JSON text of its inputs; the same as the datasets' `prompt_of`."""
    told = orjson.loads(inputs)
    if isinstance(told, str):
        return told
    if isinstance(told, dict):
        for place in PROMPTS:
            named = told.get(place[1:])
            if named is not None:
                return named if isinstance(named, str) else orjson.dumps(named).decode()
    return inputs
