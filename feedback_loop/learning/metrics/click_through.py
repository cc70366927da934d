"""Click-through: clicks per item shown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric, exact

if TYPE_CHECKING:
    import ibis

CLICKED = (Amounts(ONE, ZERO),)


class ClickThrough(Metric):
    """The denominator is what `exposure` events say was shown, item by item, each time it was shown.

    Where an application logs no exposures the denominator is 0 and there is no value: it is not guessed. What such an
    application can tell is `clicks_per_answer`. A click counts each time it is sent; `clicked: false` adds nothing
    here, because an item that was shown and not clicked is silence already.
    """

    name: ClassVar[str] = "click_through"
    numerator: ClassVar[str] = "clicks"
    denominator: ClassVar[str] = "items shown, as `exposure` events tell"
    silence: ClassVar[str] = "an item that was shown and not clicked"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"implicit_click", "exposure"})

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """1 to the numerator for a click, the number of items to the denominator for an exposure."""
        if state["feedback_type"] == "exposure":
            shown = state.get("number")
            return () if shown is None else (Amounts(ZERO, exact(shown)),)
        return CLICKED if state["reward"] == 1 else ()

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        is_exposure = told.feedback_type == "exposure"
        return (
            AmountColumns(is_exposure & told.number.notnull(), 0, told.number),
            AmountColumns(~is_exposure & (told.reward == 1).fill_null(False), 1, 0),
        )
