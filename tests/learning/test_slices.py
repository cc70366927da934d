"""Failure slices: what fails more than the rest is found, what is chance is not."""

import random

import pytest

from feedback_loop.learning import slices
from feedback_loop.learning.slices import attributes_of, failure_slices

PLAIN = {"answer_label": None, "confidence": None, "segments": None, "inference_segments": None, "context": None,
         "attributed_to": None, "text_characters": None, "text_language": None}  # fmt: skip


def world(seed: int, wrong_if_free: float, count: int = 600) -> list[dict]:
    """Answers a tenth of which are wrong, save those for the free tier; twenty other attributes mean nothing."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        tier = chance.choice(["free", "pro"])
        noise = ",".join(f'"n{n}":"{chance.randint(0, 2)}"' for n in range(20))
        wrong = chance.random() < (wrong_if_free if tier == "free" else 0.1)
        rows.append({**PLAIN, "segments": f'{{"tier":"{tier}",{noise}}}', "correct": not wrong})
    return rows


def test_a_segment_that_fails_is_found_first():
    """With its counts, an interval that holds its true rate, and the rate of the rest."""
    found = failure_slices(world(1, wrong_if_free=0.3))

    assert (found[0].attribute, found[0].value, found[0].is_found) == ("segment tier", "free", True)
    assert found[0].low < 0.3 < found[0].high and found[0].rest_rate == pytest.approx(0.1, abs=0.04)
    assert [each.value for each in found if each.is_found] == ["free"]


def test_chance_is_told_apart(monkeypatch):
    """Of 30 worlds of 63 slices in which nothing fails more, few find one; without the correction most would."""

    def worlds_that_find() -> int:
        return sum(any(each.is_found for each in failure_slices(world(seed, 0.1, 400))) for seed in range(30))

    assert worlds_that_find() <= 4

    monkeypatch.setattr(slices, "_limit", lambda chances: 0.05)
    monkeypatch.setattr(slices, "LEAST_GAP", 0.0)
    assert worlds_that_find() >= 15


def test_an_answer_shares_what_is_known_of_it():
    """Segments of either side, what sources told, the answer, how sure it was, and what weighed most."""
    row = {
        "answer_label": '"a"',
        "confidence": 0.6,
        "segments": '{"tier":"pro"}',
        "inference_segments": '{"app":"x"}',
        "context": '{"crm":{"plan":"free","balance":1.5}}',
        "attributed_to": ["pixels.3"],
        "text_characters": 34,
        "text_language": "de",
    }

    assert attributes_of(row) == {
        ("answer", '"a"'), ("confidence", "0.5 to 0.7"), ("segment tier", "pro"), ("segment app", "x"),
        ("crm.plan", "free"), ("weighed most", "pixels.3"), ("language", "de"), ("length", "below 40 characters"),
    }  # fmt: skip


@pytest.mark.parametrize("correct", [True, False])
def test_where_all_are_alike_no_slice_is_found(correct):
    """Nothing wrong, or everything: no slice is worse than the rest; nothing at all is no error."""
    rows = [{**row, "correct": correct} for row in world(2, 0.5, 100)]

    assert not any(each.is_found for each in failure_slices(rows))
    assert failure_slices([]) == []
