"""A choice between two outputs."""

from typing import ClassVar

from msgspec import UNSET, UnsetType

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import FeedbackValue, OutputId, Preference, Share, Widget, known


class PreferencePair(FeedbackValue):
    """One output is better than the other (or a `tie`); the rejected one is implied where the inference logged two."""

    feedback_type = "preference_pair"
    metric = "win_rate"
    widget: ClassVar[Widget] = {"kind": "pair", "field": "preferred_output_id", "options_from": "outputs"}
    examples = ({"preferred_output_id": "A", "rejected_output_id": "B"}, {"preferred_output_id": "A"})
    counter_examples = ({}, {"preferred_output_id": "A", "rejected_output_id": "A"})

    preferred_output_id: OutputId
    rejected_output_id: OutputId | UnsetType = UNSET
    tie: bool = False
    strength: Share | UnsetType = UNSET

    def faults(self) -> tuple[Fault, ...]:
        same = self.preferred_output_id == self.rejected_output_id
        return (Fault("/rejected_output_id", "must-differ"),) if same else ()

    def preference(self) -> Preference | None:
        return Preference(self.preferred_output_id, known(self.rejected_output_id), self.tie)
