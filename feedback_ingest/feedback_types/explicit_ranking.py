"""A ranking of several outputs, best first, ties allowed."""

from typing import Annotated, ClassVar

from msgspec import Meta

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import FeedbackValue, OutputId, Widget


class ExplicitRanking(FeedbackValue):
    """Output ids from best to worst; a list inside the list is a tie. Reads as the pairs it implies."""

    feedback_type = "explicit_ranking"
    metric = "win_rate"
    widget: ClassVar[Widget] = {"kind": "order", "field": "ranking", "options_from": "outputs"}
    examples = ({"ranking": ["B", "A", "C"]}, {"ranking": [["A", "B"], "C"]})
    counter_examples = ({}, {"ranking": ["A"]}, {"ranking": ["A", "A"]})

    ranking: Annotated[list[OutputId | Annotated[list[OutputId], Meta(min_length=2)]], Meta(max_length=100)]

    def faults(self) -> tuple[Fault, ...]:
        ids = [name for place in self.ranking for name in ([place] if isinstance(place, str) else place)]
        if len(ids) < 2:
            return (Fault("/ranking", "too-short"),)
        return () if len(set(ids)) == len(ids) else (Fault("/ranking", "must-differ"),)
