"""Off-policy estimates: what another policy would have earned, from the log of the one that served, or why not to tell.

Each logged decision counts as often as the other policy would have taken it: by its probability there, divided by the
one it was taken with (the weight). IPS is the mean of weight times reward, SNIPS the same divided by the mean weight,
DR adds a guess of the reward for what was never tried. See Dudík, Langford and Li, "Doubly robust policy evaluation and
learning" (ICML 2011), and Swaminathan and Joachims, "The self-normalized estimator for counterfactual learning"
(NeurIPS 2015). Decisions are taken for independent of each other.
"""

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.metrics import Z_95

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_EFFECTIVE = 30.0
"""Decisions, weighed, below which nothing is told: so few large weights say what chance says."""

LEAST_SUPPORT = 0.9
"""The share of the other policy's choices that the log must be able to show; what was never tried is in no log."""

FOLDS = 5


class Logged(NamedTuple):
    """One decision of the policy that served, and how the other one would have decided there.

    `guess` is what a reward model makes of the action that was taken, `guess_mean` its mean over the other policy's
    choice there; both stay 0 without a model, and DR is IPS then.
    """

    reward: float
    propensity: float
    """The probability, in (0, 1], with which the policy that served took this action."""
    target: float
    """The probability, in [0, 1], with which the other policy takes the same action there."""
    guess: float = 0.0
    guess_mean: float = 0.0


class Estimate(NamedTuple):
    """A mean reward per decision, its standard error, and its 95 % interval."""

    value: float
    error: float
    low: float
    high: float


class Judged(NamedTuple):
    """What is known of the other policy. Without overlap there is a `refusal`, and no estimate."""

    decisions: int
    effective: float
    """How many decisions with equal weights would be as sure: (sum of weights)² / sum of squared weights."""
    support: float
    """The mean weight: 1 where the log shows all that the other policy would do, less where some was never tried."""
    on_policy: float | None
    """What the policy that served earned a decision; None without decisions."""
    ips: Estimate | None = None
    snips: Estimate | None = None
    dr: Estimate | None = None
    refusal: str | None = None


def judge(logged: Sequence[Logged]) -> Judged:
    """Estimates the other policy's mean reward from `logged`, or says in `refusal` why that cannot be told.

    Raises ValueError for a propensity outside (0, 1] or a target outside [0, 1].
    """
    import numpy

    if not logged:
        return Judged(0, 0.0, 0.0, None, refusal="no decision was logged with its propensity")
    reward, propensity, target, guess, guess_mean = numpy.asarray(logged, dtype=float).T
    if not (propensity > 0).all() or (propensity > 1).any() or (target < 0).any() or (target > 1).any():
        raise ValueError("a propensity lies within (0, 1], a target within [0, 1]; log the probability of the action")
    weight = target / propensity
    squares = float((weight**2).sum())
    effective = float(weight.sum()) ** 2 / squares if squares else 0.0
    known = Judged(len(logged), effective, float(weight.mean()), float(reward.mean()))
    refusal = _refusal(known, _mean(weight))
    if refusal is not None:
        return known._replace(refusal=refusal)
    snips = float((weight * reward).sum() / weight.sum())
    about_snips = _mean(snips + weight * (reward - snips) / weight.mean())
    return known._replace(
        ips=_mean(weight * reward), snips=about_snips, dr=_mean(guess_mean + weight * (reward - guess))
    )


def _refusal(known: Judged, support: Estimate) -> str | None:
    if known.effective < LEAST_EFFECTIVE:
        return (
            f"no overlap: {known.decisions} decisions count as {known.effective:.1f} for this policy, "
            f"it takes {LEAST_EFFECTIVE:.0f}"
        )
    if support.high < LEAST_SUPPORT:
        return (
            f"no overlap: the log shows {known.support:.0%} of what this policy would do, it takes {LEAST_SUPPORT:.0%}"
        )
    return None


def action_means(
    actions: Sequence[Hashable], rewards: Sequence[float], folds: int = FOLDS
) -> list[dict[Hashable, float]]:
    """A reward model without context, one a fold: the mean reward of each action in the other folds.

    Decision i is in fold `i % folds`, so that no guess has seen the reward it is compared with, which DR needs.
    """
    sums: list[dict[Hashable, tuple[float, int]]] = [{} for _ in range(folds)]
    for place, (action, reward) in enumerate(zip(actions, rewards, strict=True)):
        for fold in range(folds):
            if fold != place % folds:
                total, count = sums[fold].get(action, (0.0, 0))
                sums[fold][action] = (total + reward, count + 1)
    return [{action: total / count for action, (total, count) in of_fold.items()} for of_fold in sums]


def _mean(terms: "NDArray[Any]") -> Estimate:
    value = float(terms.mean())
    error = float(terms.std(ddof=1)) / sqrt(len(terms)) if len(terms) > 1 else float("inf")
    return Estimate(value, error, value - Z_95 * error, value + Z_95 * error)
