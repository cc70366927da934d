"""The reward model: it finds what is preferred, is kept and read back, and is held against baselines."""

import random

import pytest

from feedback_loop.learning.errors import ArtifactMismatch, TooLittleToLearn
from feedback_loop.learning.reward_model import MIN_PAIRS, Pair, RewardModel, fit, pair_accuracy

TOPICS = ("refund", "delivery", "invoice", "password", "return", "contract")
KIND = ("gladly", "please", "sorry", "thanks")
RUDE = ("whatever", "obviously", "no", "impossible")


def pairs(count: int, seed: int) -> list[Pair]:
    """Answers of any length about a topic; preferred is whoever is kind and speaks of what was asked."""
    chance = random.Random(seed)

    def answer(topic: str, manners: tuple[str, ...]) -> str:
        words = [
            topic,
            *chance.sample(manners, 2),
            *(f"filler{chance.randrange(30)}" for _ in range(chance.randrange(20))),
        ]
        chance.shuffle(words)
        return " ".join(words)

    found = []
    for _ in range(count):
        topic, other = chance.sample(TOPICS, 2)
        about = chance.choice((topic, other))
        found.append(Pair(f"What about my {topic}?", answer(topic, KIND), answer(about, RUDE)))
    return found


def test_what_is_preferred_is_found():
    """On pairs that nobody learnt from, far beyond length and side, which tell nothing here."""
    learnt, held = pairs(400, 1), pairs(200, 2)

    found = pair_accuracy(fit(learnt), learnt, held)

    assert found.pairs == 200 and found.model > 0.95
    assert 0.35 < found.length < 0.65 and 0.35 < found.majority < 0.65


def test_length_is_told_where_it_is_all():
    """Where people only prefer the longer one the baseline says so, and the model is no better."""
    words = random.Random(3)
    told = [Pair("?", "well " * words.randrange(20, 40), "well " * words.randrange(1, 19)) for _ in range(100)]

    found = pair_accuracy(fit(told[:60]), told[:60], told[60:])

    assert found.length == 1.0 and found.model == 1.0


def test_a_pair_counts_its_weight():
    """Contradicting pairs: the heavier ones win."""
    good = [Pair("?", "yes please", "no", 3.0)] * MIN_PAIRS
    bad = [Pair("?", "no", "yes please", 1.0)] * MIN_PAIRS

    model = fit([*good, *bad])

    assert model.score("?", "yes please") > model.score("?", "no")


def test_it_is_read_back_as_it_was():
    """The same bytes for the same pairs; other bytes are refused."""
    model = fit(pairs(50, 4))

    again = RewardModel.from_bytes(model.to_bytes())

    assert again == model and fit(pairs(50, 4)).to_bytes() == model.to_bytes()
    for bytes_ in (b"", b"[]", b'{"kind":"other"}', b"\x80\x04"):
        with pytest.raises(ArtifactMismatch):
            RewardModel.from_bytes(bytes_)


def test_it_takes_some_pairs():
    """Fewer are refused with their number."""
    with pytest.raises(TooLittleToLearn, match="3 pairs"):
        fit(pairs(3, 5))
