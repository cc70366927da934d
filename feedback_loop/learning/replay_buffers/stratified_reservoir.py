"""Stratified reservoir: an even sample of all that ever arrived, as much of each stratum; for rehearsal."""

from typing import ClassVar, NamedTuple

import numpy as np

from feedback_loop.learning.replay_buffers._base import (
    Arrivals,
    Drawn,
    EmptyBuffer,
    Limits,
    Real,
    ReplayBuffer,
    Whole,
    Words,
)

MOST_STRATA = 1_000
"""What comes when there are so many belongs to one more, OTHERS: names that people write do not end."""
OTHERS = "…"


class _Stratum(NamedTuple):
    """What is kept of one, by ascending key, and how many arrivals that speaks for."""

    keys: "np.ndarray[tuple[int], np.dtype[np.uint64]]"
    offsets: Whole
    seen: float


class StratifiedReservoir(ReplayBuffer):
    """Of each stratum the `capacity` / strata arrivals with the smallest keys, which are random by offset and seed.

    So an old task is as likely to be kept as a new one, and what is kept does not depend on the order of portions
    (bottom-k sampling, Cohen & Kaplan 2007). Draws are as even over strata as their number allows; the weights give
    each stratum back its share of all arrivals.
    """

    name: ClassVar[str] = "stratified_reservoir"

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._strata: dict[str, _Stratum] = {}
        self._random = np.random.Generator(np.random.PCG64(limits.seed))

    def extend(self, arrivals: Arrivals) -> None:
        """Takes those with smaller keys than what is kept; a new stratum makes room for itself."""
        keys = _keys(arrivals.offsets, self.limits.seed)
        for name, mine in self._by_stratum(arrivals.strata).items():
            old = self._strata.get(name, _Stratum(np.zeros(0, np.uint64), np.zeros(0, np.int64), 0.0))
            self._strata[name] = _Stratum(
                np.concatenate((old.keys, keys[mine])),
                np.concatenate((old.offsets, arrivals.offsets[mine])),
                old.seen + float(arrivals.stands_for[mine].sum()),
            )
        self._forget()

    def draw(self, count: int) -> Drawn:
        """`count` of what is kept, as many of each stratum as of any other, with replacement."""
        if not self._strata:
            raise EmptyBuffer()
        strata = [self._strata[name] for name in sorted(self._strata)]
        sizes = np.array([len(each.offsets) for each in strata])
        turn = (self._random.permutation(len(strata))[np.arange(count) % len(strata)]).astype(np.int64)
        within = (self._random.random(count) * sizes[turn]).astype(np.int64)
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        offsets = np.concatenate([each.offsets for each in strata])[starts[turn] + within]
        seen = np.array([each.seen for each in strata])
        return Drawn(offsets, 1.0 / (len(strata) * sizes[turn]), (seen / seen.sum() * len(strata))[turn])

    def kept(self) -> Whole:
        """The offsets of all that is kept, ascending."""
        parts = [each.offsets for each in self._strata.values()]
        return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)

    def speaks_for(self) -> Real:
        """How many arrivals each of `kept` speaks for."""
        parts = [np.full(len(each.offsets), each.seen / len(each.offsets)) for each in self._strata.values()]
        offsets = np.concatenate([each.offsets for each in self._strata.values()]) if parts else np.zeros(0, np.int64)
        return np.concatenate(parts)[np.argsort(offsets)] if parts else np.zeros(0)

    def _by_stratum(self, strata: Words) -> dict[str, list[int]]:
        """Where each stratum stands among the arrivals; names are admitted in the order they came."""
        known, found = set(self._strata), dict[str, list[int]]()
        for place, name in enumerate(strata.tolist()):
            if name not in known and len(known) >= MOST_STRATA:
                name = OTHERS
            known.add(name)
            found.setdefault(name, []).append(place)
        return found

    def _forget(self) -> None:
        room = max(self.limits.capacity // max(len(self._strata), 1), 1)
        for name, each in self._strata.items():
            best = np.argsort(each.keys, kind="stable")[:room]
            self._strata[name] = _Stratum(each.keys[best], each.offsets[best], each.seen)


def _keys(offsets: Whole, seed: int) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """An even 64-bit number for each offset, another one with another seed (splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = offsets.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found: np.ndarray[tuple[int], np.dtype[np.uint64]] = mixed ^ (mixed >> np.uint64(31))
    return found
