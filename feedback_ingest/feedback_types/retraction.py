"""An undo: an earlier feedback is taken back, by a new event."""

from typing import ClassVar

from msgspec import UNSET, UnsetType

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import Comment, FeedbackValue, OutputId, Widget
from feedback_ingest.names import canonical_uuid


class Retraction(FeedbackValue):
    """Takes the feedback named by `retracts` back; nothing is deleted, readers leave it out from then on."""

    feedback_type = "retraction"
    metric = "volume"
    widget: ClassVar[Widget] = {"kind": "none"}
    examples = ({"retracts": "0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d", "reason": "slipped"},)
    counter_examples = ({}, {"retracts": "not-an-id"}, {"retracts": "00000000-0000-0000-0000-000000000000"})

    retracts: OutputId
    reason: Comment | UnsetType = UNSET

    def faults(self) -> tuple[Fault, ...]:
        return () if canonical_uuid(self.retracts) else (Fault("/retracts", "not-a-uuid"),)

    def target(self) -> str | None:
        return self.retracts.lower()
