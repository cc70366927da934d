"""A click on a shown item."""

from typing import ClassVar

from msgspec import UNSET, UnsetType

from feedback_ingest.feedback_types._base import Count, FeedbackValue, ItemId, Widget


class ImplicitClick(FeedbackValue):
    """An item was clicked (`clicked` false: looked at and left); reads as a reward of 1 or 0."""

    feedback_type = "implicit_click"
    metric = "click_through"
    widget: ClassVar[Widget] = {"kind": "none"}
    examples = ({"item_id": "doc-7", "position": 2, "dwell_ms": 5300}, {"item_id": "doc-7", "clicked": False})
    counter_examples = ({}, {"item_id": "d", "position": -1}, {"item_id": "d", "position": 1.5})

    item_id: ItemId
    position: Count | UnsetType = UNSET
    dwell_ms: Count | UnsetType = UNSET
    clicked: bool = True

    def reward(self) -> float | None:
        return 1.0 if self.clicked else 0.0
