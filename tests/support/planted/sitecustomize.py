"""Plants one fault into a product process at start: PLANTED_BUG names it, PYTHONPATH leads here; else does nothing."""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
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
    "acknowledges_early": ("feedback_ingest.group_commit", _acknowledges_early),
    "sensor_off": ("feedback_loop.learning.triggers", _sensor_off),
    "gate_inverted": ("feedback_loop.learning.promotion", _gate_inverted),
}


class _Planter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module as usual, then changes it."""

    def __init__(self, name: str, plant: Any) -> None:
        self._name, self._plant = name, plant

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
        """As the honest loader, and then the fault."""
        self._honest.exec_module(module)
        self._plant(module)


if os.environ.get("PLANTED_BUG"):
    sys.meta_path.insert(0, _Planter(*FAULTS[os.environ["PLANTED_BUG"]]))
