"""The people of the desk: customers who thumb and compare, agents who close, sort and reword; chance is passed in."""

from dataclasses import dataclass
from random import Random

from examples.serving_app import Given, Post, post_about
from examples.support_desk.corpus import KIND, STEPS, Reply, Ticket, prefers_first

CLOSED_SHARE, CLOSED_AFTER_S = 0.5, 1.0
SORTED_SHARE = 0.3
REWORDED_SHARE, GOOD_ENOUGH = 0.3, 0.5
THUMBS_SHARE = 0.15
SENT_TWICE, INVALID_SHARE = 0.02, 0.005
CUSTOMERS, AGENTS = 500, 120


@dataclass(frozen=True)
class Answered(Given):
    """A ticket and what the desk made of it: its topic, and one reply, or two to be compared (outputs A and B)."""

    ticket: Ticket
    topic: str
    replies: list[Reply]


def said_about(answered: Answered, chance: Random) -> list[Post]:
    """What people say of one answer: often nothing, mostly honest."""
    found = [*_closed(answered, chance), *_sorted(answered, chance), *_reworded(answered, chance)]
    found += _compared(answered, chance) if len(answered.replies) > 1 else _thumb(answered, chance)
    if chance.random() < INVALID_SHARE:
        found.append(post_about(answered, 0.5, "explicit_binary", {"positive": "yes"}, _customer(chance)))
    return [Post(each.after_s, each.body, "same" if chance.random() < SENT_TWICE else None) for each in found]


def _closed(answered: Answered, chance: Random) -> list[Post]:
    """When a ticket is closed it is known what it was about."""
    if chance.random() >= CLOSED_SHARE:
        return []
    after_s = CLOSED_AFTER_S + chance.expovariate(3)
    return [post_about(answered, after_s, "ground_truth", {"label": answered.ticket.topic}, None)]


def _sorted(answered: Answered, chance: Random) -> list[Post]:
    """An agent moves a ticket that was sorted wrongly."""
    if answered.topic == answered.ticket.topic or chance.random() >= SORTED_SHARE:
        return []
    value = {"corrected_label": answered.ticket.topic}
    return [post_about(answered, 0.4 + chance.expovariate(1.2), "explicit_correction", value, _agent(chance))]


def _reworded(answered: Answered, chance: Random) -> list[Post]:
    """An agent writes what a bad answer should have been."""
    if answered.replies[0].worth >= GOOD_ENOUGH or chance.random() >= REWORDED_SHARE:
        return []
    value = {"corrected_text": f"{chance.choice(KIND)} {STEPS[answered.ticket.topic]}."}
    return [post_about(answered, 0.6 + chance.expovariate(1.0), "explicit_correction", value, _agent(chance))]


def _compared(answered: Answered, chance: Random) -> list[Post]:
    """A customer who sees two answers says which one helps."""
    better, worse = ("A", "B") if prefers_first(chance, *answered.replies) else ("B", "A")
    value = {"preferred_output_id": better, "rejected_output_id": worse}
    return [post_about(answered, 0.3 + chance.expovariate(2), "preference_pair", value, _customer(chance))]


def _thumb(answered: Answered, chance: Random) -> list[Post]:
    if chance.random() >= THUMBS_SHARE:
        return []
    value = {"positive": answered.replies[0].worth > GOOD_ENOUGH}
    return [post_about(answered, 0.2 + chance.expovariate(2), "explicit_binary", value, _customer(chance))]


def _customer(chance: Random) -> str:
    return f"customer-{chance.randrange(CUSTOMERS):03d}"


def _agent(chance: Random) -> str:
    return f"agent-{chance.randrange(AGENTS):03d}"
