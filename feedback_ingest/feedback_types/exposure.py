"""What was shown: the denominator of every click rate."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from feedback_ingest.feedback_types._base import Count, FeedbackValue, ItemId, Widget


class ExposedItem(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One item and the place it was shown at, counted from 0."""

    item_id: ItemId
    position: Count


class Exposure(FeedbackValue):
    """The items a person could have clicked, with their positions; it carries no reward of its own."""

    feedback_type = "exposure"
    metric = "click_through"
    widget: ClassVar[Widget] = {"kind": "none"}
    examples = ({"items": [{"item_id": "doc-7", "position": 0}, {"item_id": "doc-9", "position": 1}]},)
    counter_examples = ({}, {"items": []}, {"items": [{"item_id": "a"}]})

    items: Annotated[list[ExposedItem], Meta(min_length=1, max_length=1_000)]

    def number(self) -> float | None:
        return float(len(self.items))
