"""Plants faults into a product process at start: PLANTED_BUG names them, PYTHONPATH leads here; else does nothing.

Several are written `one,other=argument`. Nothing of this is in the product: a fault changes a module once it is loaded.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from functools import partial
from types import ModuleType
from typing import Any


def _sensor_off(module: ModuleType) -> None:
    """The trigger never fires."""
    module.decide = lambda *args, **named: module.TriggerDecision(False, "planted: the sensor is off")  # type: ignore[attr-defined]


def _gate_inverted(module: ModuleType) -> None:
    """The gate refuses what it should promote, and the other way round."""
    honest = module.decide

    def decide(*args: Any, **named: Any) -> Any:
        verdict = honest(*args, **named)
        return module.Verdict(not verdict.promote, ["planted: the gate is inverted", *verdict.reasons])

    module.decide = decide  # type: ignore[attr-defined]


def _acknowledges_early(module: ModuleType) -> None:
    """The writer answers before its commit, which a second later is as good as done."""
    import asyncio
    from itertools import count

    honest, expected = module.GroupCommit.submit, count(1)

    async def submit(self: Any, items: Any, *rest: Any, **named: Any) -> Any:
        asyncio.get_running_loop().call_later(1.0, lambda: asyncio.ensure_future(honest(self, items, *rest, **named)))
        return [module.Appended(next(expected), "accepted") for _ in items]

    module.GroupCommit.submit = submit  # type: ignore[attr-defined]


FAULTS = {
    "sensor_off": [("feedback_loop.learning.triggers", _sensor_off)],
    "gate_inverted": [("feedback_loop.learning.promotion", _gate_inverted)],
    "acknowledges_early": [("feedback_ingest.group_commit", _acknowledges_early)],
}


class _Planter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module as usual, then changes it."""

    def __init__(self, name: str, plants: list[Any]) -> None:
        self._name, self._plants = name, plants

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Ours for that one name only."""
        if name != self._name:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is None or found.loader is None:
            return None
        self._honest = found.loader
        found.loader = self
        return found

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the honest loader."""
        return self._honest.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the honest loader, and then the faults."""
        self._honest.exec_module(module)
        for plant in self._plants:
            plant(module)


def _plant(wanted: str) -> None:
    import receiver_faults
    import stream_faults
    import webhook_faults

    known = FAULTS | receiver_faults.FAULTS | stream_faults.FAULTS | webhook_faults.FAULTS
    plants: dict[str, list[Any]] = {}
    for one in wanted.split(","):
        name, _, argument = one.partition("=")
        for module, change in known[name]:
            plants.setdefault(module, []).append(partial(change, argument=argument) if argument else change)
    sys.meta_path[:0] = [_Planter(module, changes) for module, changes in plants.items()]


if os.environ.get("PLANTED_BUG"):
    _plant(os.environ["PLANTED_BUG"])
