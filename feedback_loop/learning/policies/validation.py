"""Validation: which feedback contradicts itself, its inference or its metric, and what becomes of it."""

from typing import ClassVar, Literal

from feedback_loop.learning.policies._base import Policy

Level = Literal["block", "warn", "off"]


class ValidationPolicy(Policy, frozen=True):
    """Logical consistency beyond the shape, which the door has checked: each field is a rule of `expectations`.

    `block` sets the feedback aside, and where too much of a day breaks the rule it holds back what follows from that
    day; `warn` keeps it and tells; `off` does not look.
    """

    name: ClassVar[str] = "validation"

    compared_outputs_exist: Level = "block"
    """A preference names outputs that its inference logged."""
    correction_differs: Level = "warn"
    """A correction says something else than was answered."""
    negative_has_reason: Level = "off"
    """A thumbs-down carries a reason code, a comment or a corrected text."""
    rating_in_range: Level = "block"
    """A number lies within the range of the registered metric it names."""
