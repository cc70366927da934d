"""Every kind of policy, one a file; a file added here is read, set and told by itself."""

from collections.abc import Mapping
from functools import cache

from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.policies._base import Placed, Policy, in_force, placed

__all__ = ["Placed", "Policy", "collect", "in_force", "placed"]


@cache
def collect() -> Mapping[str, type[Policy]]:
    """Every kind of policy by name: one file each in this folder, and those of installed packages."""
    found = collect_classes("feedback_loop.learning.policies", Policy)
    return {name: kind for name, kind in found.items() if kind is not Policy}
