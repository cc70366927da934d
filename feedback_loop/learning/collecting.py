"""How a folder with a plural name is read: every class of it, and every one that an installed package adds."""

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from inspect import isabstract
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


def collect_classes(package: str, base: type[T]) -> dict[str, type[T]]:
    """The concrete subclasses of `base`, by their `name`, in the modules of `package` and in those installed for it.

    An installed package names its module as an entry point in the group `feedback_loop.<last part of package>`, such as
    `feedback_loop.metrics`. Raises ValueError where two classes have one name.
    """
    found: dict[str, type[Any]] = {}
    for module in _modules(package):
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, base) and not isabstract(thing):
                name = thing.name  # type: ignore[attr-defined]
                if found.setdefault(name, thing) is not thing:
                    raise ValueError(f"two classes are named {name!r}: {found[name]!r} and {thing!r}")
    return dict(sorted(found.items()))


def _modules(package: str) -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not module.name.startswith("_"):
            yield importlib.import_module(f"{package}.{module.name}")
    for entry in entry_points(group=f"feedback_loop.{package.rpartition('.')[2]}"):
        yield entry.load()
