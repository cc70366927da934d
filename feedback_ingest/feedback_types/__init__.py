"""The closed set of feedback types, one a file; `collect()` finds them, and those a user's own package adds."""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from feedback_ingest.feedback_types._base import FeedbackValue, OlderVersion, Preference, Text, Widget, reward_of_scale

__all__ = ["FeedbackValue", "OlderVersion", "Preference", "Text", "Widget", "collect", "reward_of_scale"]

ENTRY_POINTS = "feedback_loop.feedback_types"


@cache
def collect() -> dict[str, type[FeedbackValue]]:
    """Every feedback type by its name: the files of this folder, then the installed entry points of the same group."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    modules += [entry.load() for entry in entry_points(group=ENTRY_POINTS)]
    found = (thing for module in modules for thing in vars(module).values() if _is_type(thing, module.__name__))
    return dict(sorted((thing.feedback_type, thing) for thing in found))


def _is_type(thing: object, module: str) -> bool:
    return (
        isinstance(thing, type)
        and issubclass(thing, FeedbackValue)
        and thing.__module__ == module
        and hasattr(thing, "feedback_type")
    )
