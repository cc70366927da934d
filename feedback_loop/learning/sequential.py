"""A sequential test: evidence that a share lies beyond a threshold, which may be looked at after every batch.

Betting against "the mean of each sample, given those before it, is on the good side of the threshold": a bet that began
at any moment is a non-negative supermartingale while that holds, and a mean of such bets with weights that sum to 1 is
one too. By Ville's inequality it ever passes 1/alpha with a probability of at most alpha, however often one looks. The
bets are likelihood ratios of a worse share to the threshold; of samples between 0 and 1 the sum is enough, because the
logarithm of a bet is concave in the sample. See Waudby-Smith and Ramdas, "Estimating means of bounded random variables
by betting" (JRSS B 86, 2024) for the bets, and Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for
sequential change detection" (NEJSDS 2, 2024) for bets that begin anew at each moment, so that a long good time before
does not drown a fall.
"""

from math import exp, log
from typing import NamedTuple

WORSE = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""The alternatives: the share of good samples is less than the threshold by so much of it."""
PATIENCE = 1_000.0
"""Half of the weight is on bets that begin within so many samples, the rest on later ones, ever more thinly."""
MOST = 1e9
"""More evidence than this is not kept, so that what was bad long ago is outweighed some day."""


class Growth(NamedTuple):
    """What the bets have grown to after so many samples, one number an alternative; nothing before the first.

    `heaviest` is the most that one sample weighed so far, and a sample that weighs less is so much less of a bet.
    """

    samples: float = 0.0
    grown: tuple[float, ...] = (0.0,) * len(WORSE)
    heaviest: float = 1.0


def grow(growth: Growth, threshold: float, good: float, samples: float, heaviest: float = 1.0) -> Growth:
    """After a batch of `samples`, each between 0 and 1, that sum up to `good`; a sample is good towards 1.

    `threshold`, within 0 and 1, is the mean that is still good. The size of a batch may depend on the past, not on what
    its samples say. Both sums may be weighted, by at most `heaviest` each: a bet taken to a power above 1 would be won
    by luck alone, so no sample is more than one bet.
    """
    heaviest = max(growth.heaviest, heaviest)
    good, samples = good / heaviest, samples / heaviest
    if samples <= 0 or not 0 < threshold < 1:
        return growth
    good = min(max(good, 0.0), samples)
    begins = _begun(growth.samples + samples) - _begun(growth.samples)
    grown = []
    for worse, before in zip(WORSE, growth.grown, strict=True):
        share = threshold * (1 - worse)
        ratio = good * log(share / threshold) + (samples - good) * log((1 - share) / (1 - threshold))
        grown.append(min((before + begins) * exp(min(ratio, 700.0)), MOST))
    return Growth(growth.samples + samples, tuple(grown), heaviest)


def evidence(growth: Growth) -> float:
    """How much it holds against the threshold being kept; 1 at first. It passes 1/alpha by chance alone with alpha."""
    return sum(growth.grown) / len(growth.grown) + 1 - _begun(growth.samples)


def _begun(samples: float) -> float:
    """The weight of the bets that have begun after so many samples."""
    return samples / (samples + PATIENCE)
