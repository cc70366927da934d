"""Who works with whom, and whose turn is next: pure decisions over the consumers' places in the log.

A consumer that reads what another has found out in the same batch stands where that one stands, unless the other can
tell it again from its tables (`recall`). Consumers bound in this way are a group; groups stand apart, in one process or
in several.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from feedback_ingest.errors import SetupError
from feedback_loop.stream.consumers import Consumer, collect
from feedback_loop.stream.positions import Standing


class Turn(NamedTuple):
    """Consumers at one place and what they read next: the events above `after`, none above `upto`.

    `recalled` are the consumers before them that have been there already: they tell what they found out.
    """

    names: tuple[str, ...]
    recalled: tuple[str, ...]
    after: int
    upto: int | None


def chosen(only: Sequence[str] = ()) -> tuple[str, ...]:
    """The consumers of a process in their order, all by default.

    Raises SetupError for a name that nobody has, and where `only` parts consumers that work together.
    """
    known = collect()
    for name in only:
        if name not in known:
            raise SetupError(f"no consumer is called {name!r}; --only takes {', '.join(known)}")
    for name in only:
        missing = [other for other in group_of(name) if other not in only]
        if missing:
            raise SetupError(f"{name} works together with {missing[0]}: --only {','.join(group_of(name))}")
    return tuple(name for name in known if not only or name in only)


def can_recall(consumer: type[Consumer]) -> bool:
    """Whether it can tell from its tables what it found out in a batch."""
    return consumer.recall is not Consumer.recall


@cache
def group_of(name: str) -> tuple[str, ...]:
    """The consumers that stand where `name` stands, itself among them, in their order."""
    known = collect()
    bound: dict[str, set[str]] = {one: set() for one in known}
    for one, consumer in known.items():
        for other in consumer.after:
            if not can_recall(known[other]):
                bound[one].add(other)
                bound[other].add(one)
    found, looking = {name}, [name]
    while looking:
        more = bound[looking.pop()] - found
        found |= more
        looking += more
    return tuple(one for one in known if one in found)


@cache
def before(name: str) -> frozenset[str]:
    """All the consumers whose findings `name` rests on, at first hand or not."""
    direct = collect()[name].after
    return frozenset(direct).union(*map(before, direct))


def elsewhere(names: Iterable[str]) -> tuple[str, ...]:
    """The consumers that those of `names` rest on, and that are not among them."""
    own = set(names)
    return tuple(name for name in collect() if name not in own and any(name in before(one) for one in own))


def together(found: Mapping[str, Standing]) -> dict[str, Standing]:
    """Where each is to stand: one that is new to its group stands where the others of the group do.

    Raises SetupError where a group has come apart otherwise, as when a program bound together what was not.
    """
    settled = dict(found)
    for group in {group_of(name) for name in found}:
        places = {found[name].log_offset for name in group}
        if len(places) == 2 and 0 in places:
            place = max(places)
            new = [name for name in group if found[name].log_offset == 0]
            settled |= {name: found[name]._replace(log_offset=place, decided_offset=place) for name in new}
        elif len(places) > 1:
            raise SetupError(f"{', '.join(group)} must stand at one offset: `feedback stream --rebuild` mends it")
    return settled


def next_turn(own: Mapping[str, Standing], others: Mapping[str, int]) -> Turn | None:
    """Whose turn it is among the consumers of one process; None while all of them wait for another process.

    `others` are the places of those `elsewhere`. The hindmost come first and go as far as the next place, where they
    join those who stand there. Nobody passes those it rests on. What a consumer took before (a rebuild) and what is new
    to it never share a turn.
    """
    places = {**others, **{name: standing.log_offset for name, standing in own.items()}}
    for place in sorted({standing.log_offset for standing in own.values()}):
        here = {name for name, standing in own.items() if standing.log_offset == place}
        free = {name for name in here if all(places[one] > place for one in before(name) - here)}
        if free:
            resting_on = {one for name in free for one in before(name)} - free
            marks = [places[one] for one in resting_on]
            marks += [standing.log_offset for standing in own.values()]
            marks += [own[name].decided_offset for name in free]
            names = tuple(name for name in collect() if name in free)
            recalled = tuple(name for name in collect() if name in resting_on)
            return Turn(names, recalled, place, min((mark for mark in marks if mark > place), default=None))
    return None
