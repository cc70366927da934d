"""`python -m examples.support_desk`: trains the first model, or runs the desk against a feedback API."""

from random import Random
from typing import Any

from examples.command_line import labelled, main
from examples.support_desk.app import SupportDesk, inputs_of
from examples.support_desk.corpus import ticket

FIRST_TICKETS = 400


def first_rows(seed: int) -> list[dict[str, Any]]:
    """400 tickets from before there was an app."""
    chance = Random(seed)
    tickets = [ticket(chance) for _ in range(FIRST_TICKETS)]
    return [labelled(inputs_of(each.text), each.topic) for each in tickets]


if __name__ == "__main__":
    main("support-desk", "tickets", first_rows, SupportDesk)
