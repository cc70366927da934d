"""The outcomes of a call that waits for them, and the exception that each failure is."""

from collections.abc import Sequence

from feedback_client._delivery import Settlement
from feedback_client._wire import Item
from feedback_client.errors import Blocked, Conflict, NotDelivered, NotStored, Receipt, Refused

HOW = {"gave_up": NotDelivered, "blocked": Blocked}


class Ledger:
    """Collects the settlements of one delivery."""

    def __init__(self) -> None:
        self._outcomes: dict[int, Receipt | NotStored] = {}

    def keep(self, settlement: Settlement) -> None:
        """Notes the outcome of each event."""
        for item, outcome in zip(settlement.items, settlement.outcomes, strict=True):
            if isinstance(outcome, Receipt):
                self._outcomes[id(item)] = outcome
            else:
                kind = HOW.get(settlement.how) or (Conflict if outcome.status == 409 else Refused)
                self._outcomes[id(item)] = kind(item.event(), outcome)

    def outcomes(self, items: Sequence[Item]) -> list[Receipt | NotStored]:
        """One outcome for each event, in order."""
        return [self._outcomes[id(item)] for item in items]

    def receipt(self, item: Item) -> Receipt:
        """The receipt of the one event; raises Conflict, Refused, Blocked or NotDelivered."""
        outcome = self._outcomes[id(item)]
        if isinstance(outcome, NotStored):
            raise outcome
        return outcome
