"""A reward model: how good a text is as an answer to a prompt, learnt from which of two was preferred.

Pairwise logistic regression (Bradley & Terry 1952) over the words of the answers, linear, so that it is fitted in a
second on a CPU, kept as JSON, read by anybody, and scores without a library.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import exp, log1p
from typing import Any, NamedTuple

import orjson

from feedback_loop.learning.errors import ArtifactMismatch, TooLittleToLearn

TRAINED = "reward_model_trained"
"""The kind of fact that says a reward model was trained, and whether it is in force from then on."""

KIND = "reward_model"
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
MIN_PAIRS = 20
MIN_HELD_OUT = 10
"""On fewer pairs that nobody learnt from it is not known whether a model is of any use."""
FIRST_PAIRS = 80
"""A first model is trained once there are so many: of them some are golden, and some held out."""
GROWTH = 0.2
"""The next one once there are so many more, as a share of those there were."""
MIN_PAIRS_OF_WORD = 3
"""A word in fewer pairs is left out: it would only be learnt by heart."""
MOST_WORDS = 20_000
MOST_SCORE = 30.0
"""Beyond it, on either side, a chance is 0 or 1 to 6 places."""
LONGEST = 20_000
"""Characters of a text that are looked at."""


class Pair(NamedTuple):
    """Two answers to a prompt, the better one first; `weight` is what the pair counts."""

    prompt: str
    chosen: str
    rejected: str
    weight: float = 1.0


class RewardModel(NamedTuple):
    """A fitted model: what each feature adds to a score, and the mean score of the answers it learnt from."""

    weights: Mapping[str, float]
    pairs: int
    """How many it was fitted on."""
    middle: float = 0.0

    def score(self, prompt: str, answer: str) -> float:
        """How good `answer` is; the higher the better, 0 as good as those it learnt from, rounded to 6 places."""
        return round(self._sum(prompt, answer) - self.middle, 6)

    def chance(self, prompt: str, answer: str) -> float:
        """The chance, to 6 places, that `answer` is preferred to one that is as good as those it learnt from."""
        score = max(min(self.score(prompt, answer), MOST_SCORE), -MOST_SCORE)
        return round(1 / (1 + exp(-score)), 6)

    def telling(self, most: int = 8) -> tuple[tuple[str, float], ...]:
        """The features that raise a score most and those that lower it most, so many of each, by weight."""
        ranked = sorted(self.weights.items(), key=lambda each: (-each[1], each[0]))
        return tuple(ranked if len(ranked) <= 2 * most else [*ranked[:most], *ranked[-most:]])

    def _sum(self, prompt: str, answer: str) -> float:
        known = self.weights
        return sum(value * known[name] for name, value in features(prompt, answer).items() if name in known)

    def to_bytes(self) -> bytes:
        """The artifact that the registry keeps: JSON, names sorted."""
        told = {"kind": KIND, "middle": self.middle, "pairs": self.pairs, "weights": dict(self.weights)}
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)

    @staticmethod
    def from_bytes(artifact: bytes) -> "RewardModel":
        """The model of an artifact; raises ArtifactMismatch where the bytes are none."""
        try:
            told = orjson.loads(artifact)
            if told["kind"] != KIND:
                raise ArtifactMismatch("the artifact is no reward model")
            return RewardModel(told["weights"], told["pairs"], told["middle"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactMismatch("the artifact is no reward model") from error


class PairAccuracy(NamedTuple):
    """How often the preferred answer of a pair is found, on pairs that nobody learnt from; ties count half."""

    pairs: int
    model: float
    length: float
    """By length alone: the longer or the shorter one, whichever was preferred in the training pairs."""
    majority: float
    """By the side alone: the first or the second, in an order that the texts decide and not the preference."""


def features(prompt: str, answer: str) -> dict[str, float]:
    """The words of the answer, each once, and the length, the lines and how much of the prompt it takes up."""
    said = WORD.findall(answer[:LONGEST].lower())
    asked = set(WORD.findall(prompt[:LONGEST].lower()))
    found = dict.fromkeys(said, 1.0)
    return found | {
        "#words": log1p(len(said)),
        "#lines": log1p(answer.count("\n")),
        "#of the prompt": len(asked & found.keys()) / len(asked) if asked else 0.0,
    }


def fit(pairs: Sequence[Pair], seed: int = 0) -> RewardModel:
    """The reward model of `pairs`; the same pairs and seed give the same model. Raises TooLittleToLearn."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    if len(pairs) < MIN_PAIRS:
        raise TooLittleToLearn(f"{len(pairs)} pairs; a reward model takes {MIN_PAIRS}")
    differences = [_difference(pair) for pair in pairs]
    counts = Counter(name for each in differences for name in each)
    kept = {name for name, count in counts.most_common(MOST_WORDS) if count >= MIN_PAIRS_OF_WORD}
    vectorizer = DictVectorizer()
    matrix = vectorizer.fit_transform([{n: v for n, v in each.items() if n in kept} for each in differences])
    sides = [place % 2 for place in range(len(pairs))]  # both labels are needed: every other pair is turned round
    signs = [1.0 if side else -1.0 for side in sides]
    model = LogisticRegression(C=0.3, fit_intercept=False, max_iter=1_000, random_state=seed)
    model.fit(matrix.multiply([[sign] for sign in signs]).tocsr(), sides, sample_weight=[p.weight for p in pairs])
    learnt = zip(vectorizer.get_feature_names_out(), model.coef_[0].tolist(), strict=True)
    fitted = RewardModel({str(name): round(weight, 6) for name, weight in learnt}, len(pairs))
    scores = [fitted.score(pair.prompt, answer) for pair in pairs for answer in (pair.chosen, pair.rejected)]
    return fitted._replace(middle=round(sum(scores) / len(scores), 6))


def pair_accuracy(model: RewardModel, learnt_from: Sequence[Pair], held_out: Sequence[Pair]) -> PairAccuracy:
    """The model's accuracy on `held_out` beside two baselines that know nothing of the texts."""
    longer = _share(len(pair.chosen) - len(pair.rejected) for pair in learnt_from) >= 0.5
    first = _share(_side(pair) for pair in learnt_from) >= 0.5
    return PairAccuracy(
        len(held_out),
        _share(model.score(pair.prompt, pair.chosen) - model.score(pair.prompt, pair.rejected) for pair in held_out),
        _share((len(pair.chosen) - len(pair.rejected)) * (1 if longer else -1) for pair in held_out),
        _share(_side(pair) * (1 if first else -1) for pair in held_out),
    )


def is_due(new: int, known: int) -> bool:
    """Whether so many pairs beside those that were `known` at the last training are worth another."""
    return new >= max(FIRST_PAIRS, known * GROWTH)


def judged(found: PairAccuracy) -> tuple[bool, str]:
    """Whether a model may say how good answers are, and why: it must beat what knows nothing of the texts."""
    if found.pairs < MIN_HELD_OUT:
        return False, f"{found.pairs} pairs are held out; it takes {MIN_HELD_OUT} to judge a reward model"
    told = f"pair accuracy {found.model:.3f} against {found.length:.3f} by length and {found.majority:.3f} by side"
    told += f" over {found.pairs} pairs"
    beats = found.model > max(found.length, found.majority)
    return beats, told if beats else f"{told}: no better"


def _difference(pair: Pair) -> dict[str, float]:
    """What the chosen answer has more of than the rejected one."""
    chosen, rejected = features(pair.prompt, pair.chosen), features(pair.prompt, pair.rejected)
    found = {name: chosen.get(name, 0.0) - rejected.get(name, 0.0) for name in {**chosen, **rejected}}
    return {name: value for name, value in found.items() if value}


def _side(pair: Pair) -> int:
    """1 where the chosen answer comes first in the order of the texts turned round, which is no order of merit."""
    return 1 if pair.chosen[::-1] < pair.rejected[::-1] else -1


def _share(leads: "Iterator[float] | Any") -> float:
    """The share of leads above 0, those of 0 counted half; 0.5 of none."""
    found = [1.0 if lead > 0 else 0.5 if lead == 0 else 0.0 for lead in leads]
    return round(sum(found) / len(found), 6) if found else 0.5
