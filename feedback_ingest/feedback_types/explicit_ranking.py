"""A ranking of several outputs, best first, ties allowed."""

from typing import Annotated, ClassVar

from msgspec import Meta

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import FeedbackValue, OutputId, Preference, Widget


class ExplicitRanking(FeedbackValue):
    """Output ids from best to worst; a list inside the list is a tie. Metrics read every pair it implies, and a dataset
    the strongest one: the first over the last.
    """

    feedback_type = "explicit_ranking"
    metric = "win_rate"
    widget: ClassVar[Widget] = {"kind": "order", "field": "ranking", "options_from": "outputs"}
    examples = ({"ranking": ["B", "A", "C"]}, {"ranking": [["A", "B"], "C"]})
    counter_examples = ({}, {"ranking": ["A"]}, {"ranking": ["A", "A"]})

    ranking: Annotated[list[OutputId | Annotated[list[OutputId], Meta(min_length=2)]], Meta(max_length=100)]

    def faults(self) -> tuple[Fault, ...]:
        ids = [name for place in self.places() for name in place]
        if len(ids) < 2:
            return (Fault("/ranking", "too-short"),)
        return () if len(set(ids)) == len(ids) else (Fault("/ranking", "must-differ"),)

    def places(self) -> list[list[str]]:
        """From best to worst, the outputs that share each place."""
        return [[place] if isinstance(place, str) else place for place in self.ranking]

    def preference(self) -> Preference | None:
        ids = [name for place in self.places() for name in place]
        return Preference(ids[0], ids[-1], len(self.ranking) == 1)
