"""A signal of use that nobody meant as feedback: copied, asked again, gave up."""

from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, UnsetType

from feedback_ingest.feedback_types._base import FeedbackValue, Number, Slug, Widget


class ImplicitSignal(FeedbackValue):
    """A measured `signal` with its `value` and `unit`; what it is worth is a metric's business, not its own."""

    feedback_type = "implicit_signal"
    metric = "volume"
    widget: ClassVar[Widget] = {"kind": "none"}
    examples = ({"signal": "dwell_time", "value": 41.5, "unit": "s"}, {"signal": "regenerate", "value": True})
    counter_examples = ({}, {"signal": "Dwell Time", "value": 1}, {"signal": "copy"})

    signal: Slug
    value: Number | bool | Annotated[str, Meta(min_length=1, max_length=256, pattern=r"\S")]
    unit: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"\S")] | UnsetType = UNSET

    def number(self) -> float | None:
        return None if isinstance(self.value, str) else float(self.value)
