"""Bradley-Terry: how strong each version is, from who won against whom, with intervals; and who cannot be ranked.

The chance that A wins against B is 1 / (1 + exp(strength of B - strength of A)). A tie is half a win for each side.
Votes on one and the same pair of outputs are taken for independent, so where many judged few pairs the intervals are
narrower than they should be.
"""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from feedback_loop.learning.metrics import Z_95

if TYPE_CHECKING:
    import numpy as np

PRIOR = 0.01
"""The weight of a bell curve around 0: a version that never won has a finite strength, others hardly notice."""

STEPS = 100
CLOSE = 1e-10


class Record(NamedTuple):
    """What `version` won of its `comparisons` with `against`; each pair is told once, or once from either side."""

    version: str
    against: str
    wins: float
    comparisons: float


class Strength(NamedTuple):
    """A version's strength with its 95 % interval; 0 is the mean of its `group`.

    Versions of two groups were never compared, not even by way of others: between groups there is no order.
    """

    version: str
    strength: float
    low: float
    high: float
    comparisons: float
    group: int


def ranking(records: Iterable[Record]) -> list[Strength]:
    """Every version that was compared, group by group (the largest first), the strongest first."""
    import numpy as np

    told = {frozenset((each.version, each.against)): each for each in records if each.version != each.against}
    names = sorted({name for pair in told.values() for name in pair[:2]})
    if not names:
        return []
    place = {name: at for at, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for each in told.values():
        one, other = place[each.version], place[each.against]
        wins[one, other] += each.wins
        wins[other, one] += each.comparisons - each.wins
    groups = _groups(names, told.values())
    played = (wins + wins.T).sum(1).tolist()
    found = [
        Strength(name, strength, strength - Z_95 * error, strength + Z_95 * error, comparisons, group)
        for name, strength, error, comparisons, group in zip(names, *_fit(wins, groups), played, groups, strict=True)
    ]
    return sorted(found, key=lambda each: (each.group, -each.strength, each.version))


def _fit(wins: "np.ndarray", groups: list[int]) -> tuple[list[float], list[float]]:
    """The likeliest strengths by Newton's method, and their standard errors, both about the mean of the group."""
    import numpy as np

    strength = np.zeros(len(wins))
    for _ in range(STEPS):
        slope, bend = _curve(wins, strength)
        step = np.linalg.solve(bend, slope)
        strength += step / max(1.0, np.abs(step).max())  # no step is so long that it could overshoot
        if np.abs(step).max() < CLOSE:
            break
    same = np.equal.outer(groups, groups)
    about = np.eye(len(wins)) - same / same.sum(1)
    spread = about @ np.linalg.inv(_curve(wins, strength)[1]) @ about.T
    return (about @ strength).tolist(), np.sqrt(np.diag(spread).clip(0)).tolist()


def _curve(wins: "np.ndarray", strength: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """The slope of the log-likelihood, and how it bends."""
    import numpy as np

    played = wins + wins.T
    expected = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))
    weight = played * expected * (1 - expected)
    return wins.sum(1) - (played * expected).sum(1) - PRIOR * strength, np.diag(weight.sum(1) + PRIOR) - weight


def _groups(names: list[str], records: Iterable[Record]) -> list[int]:
    """The number of the group that each of `names` belongs to, 1 being the largest."""
    leader = {name: name for name in names}

    def led_by(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    for each in records:
        leader[led_by(each.version)] = led_by(each.against)
    sizes = Counter(led_by(name) for name in names)
    order = {first: at for at, (first, _) in enumerate(sorted(sizes.items(), key=lambda of: (-of[1], of[0])), start=1)}
    return [order[led_by(name)] for name in names]
