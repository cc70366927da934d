"""Familiarity: how unlike an inference is to what its model learnt, alike in the function and in the expression."""

import random

import ibis
import pytest

from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.enrichers import enrich, enriched
from feedback_loop.learning.familiarity import SAMPLED, novelty, sample_of, sampled, version_of
from feedback_loop.learning.rows import feedback_row, inference_row, json_text
from tests.learning.worlds import answered, feedback_table, found, given, inference_table


def told(inputs, embedding, version="v1", offset=1):
    """The row of an inference."""
    row = inference_row(answered("fine words", model_version=version))
    return row | {"inputs": None if inputs is None else json_text(inputs), "embedding": embedding, "log_offset": offset}


def texts(*said, offset=1):
    """The rows of inferences that were asked a text."""
    return [told({"text": each}, None, offset=offset) for each in said]


LEARNT = texts(*(f"please refund my order number {n}" for n in range(20)))


def chance(dice):
    """The inputs, if any, and the embedding, if any, of an inference."""
    words = " ".join(dice.choices(["refund", "my", "order", "train", "late"], k=dice.randrange(6)))
    numbers = {name: dice.uniform(-1e6, 1e6) for name in dice.sample("abc", dice.randrange(3))}
    embedding = [dice.uniform(-1, 1) for _ in range(dice.choice([2, 2, 3]))]
    return dice.choice([None, {"text": words}, numbers]), dice.choice([None, None, embedding])


@pytest.mark.parametrize("seed", range(3))
def test_function_and_expression_agree(seed):
    """To the last digit, whatever is known of the inferences and of the sample; without a sample nothing is known."""
    dice = random.Random(seed)
    sample = sample_of((1, "default", "v1"), 10, [told(*chance(dice)) for _ in range(40 * seed)])
    samples = [] if sample is None else [sample]
    inferences = [
        told(*chance(dice), dice.choice(["v1", "v2", "v1.increment-12"]), dice.randrange(1, 30))
        | {"inference_request_id": f"r{n}"}
        for n in range(300)
    ]
    spoken = feedback_row(given("explicit_binary", {"positive": True}))
    feedback = [spoken | {"inference_request_id": f"r{n}", "log_offset": 100 + n} for n in range(300)]
    said, known = feedback_table(feedback), inference_table(inferences)

    table = found(enriched(attributed(said, known), known, samples=samples))

    by_version = {each.version: each for each in samples}
    expected = {
        row["inference_request_id"]: enrich(row, by_version.get(version_of(row)))["novelty"] for row in inferences
    }
    assert {row["inference_request_id"]: row["novelty"] for row in table} == expected
    assert all(("novelty" in row["missing"]) == (row["novelty"] is None) for row in table)
    assert len({each for each in expected.values() if each is not None}) > 5 if samples else not any(expected.values())


def test_the_like_is_familiar_and_the_unlike_is_not():
    """What was learnt itself is no news, a variation little, another subject much."""
    sample = sample_of((1, "default", "v1"), 1, LEARNT)

    again, alike, other = (
        novelty(row, sample)
        for row in texts("please refund my order number 3", "refund order please", "wo ist der Zug", offset=2)
    )

    assert again < alike < 0.5 < 0.9 < other


def test_what_came_before_the_sample_is_not_held_against_it():
    """Else a rebuild, which knows the sample from the start on, would find other figures."""
    sample = sample_of((1, "default", "v1"), 5, LEARNT)

    assert novelty(LEARNT[0] | {"log_offset": 5}, sample) is None
    assert novelty(LEARNT[0] | {"log_offset": 6}, sample) is not None


def test_embeddings_of_one_kind_are_compared():
    """Logged embeddings come before all else; those of another length, or too few, say nothing."""
    sample = sample_of((1, "default", "v1"), 1, [told(None, [1.0, 0.0])] * 5 + [told(None, [1.0, 0.0, 0.0])] * 4)

    far, near, other = (novelty(told({"x": 1}, each, offset=2), sample) for each in ([0.0, 2.0], [3.0, 0.0], [1.0]))

    assert (far, near, other) == (1.0, 0.0, None)
    assert sample_of((1, "default", "v1"), 1, LEARNT[:4]) is None


@pytest.mark.parametrize("rows", [3, 500])
def test_a_sample_is_the_same_for_the_same_dataset(rows):
    """All of a small one, and SAMPLED of a large one, whatever the order of its index; of its train split only."""
    index = [{"split": "test" if n % 10 == 9 else "train", "inference_offset": n} for n in range(rows)]

    offsets = [
        [row["inference_offset"] for row in found(sampled(ibis.memtable(each)))] for each in (index, index[::-1])
    ]

    assert offsets[0] == offsets[1] and len(offsets[0]) == min(rows, SAMPLED)
    assert not any(offset % 10 == 9 for offset in offsets[0])
