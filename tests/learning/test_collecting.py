"""Collecting: what a folder holds and what installed packages add, each name once."""

from types import ModuleType, SimpleNamespace

import pytest

from feedback_loop.learning import collecting
from feedback_loop.learning.metrics import Metric, collect
from feedback_loop.learning.metrics.volume import Volume

PACKAGE = "feedback_loop.learning.metrics"


def _installed(monkeypatch, **members):
    module = ModuleType("somebodys_metrics")
    vars(module).update(members)

    def entry_points(group):
        return [SimpleNamespace(load=lambda: module)] if group == "feedback_loop.metrics" else []

    monkeypatch.setattr(collecting, "entry_points", entry_points)


def test_an_installed_package_adds_its_own(monkeypatch):
    """A class in the module of an entry point is found beside ours; what it imports from us is not found twice."""
    mine = type("Calls", (Volume,), {"name": "calls"})
    _installed(monkeypatch, Calls=mine, Volume=Volume, Metric=Metric)

    found = collecting.collect_classes(PACKAGE, Metric)

    assert found["calls"] is mine
    assert found == {**collect(), "calls": mine}


def test_two_things_of_one_name_are_refused(monkeypatch):
    """A package cannot take the name of another's metric silently."""
    _installed(monkeypatch, Other=type("Other", (Volume,), {"name": "volume"}))

    with pytest.raises(ValueError, match="two classes are named 'volume'"):
        collecting.collect_classes(PACKAGE, Metric)
