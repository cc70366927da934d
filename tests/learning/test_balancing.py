"""Balancing: rows weigh so that they are spread as traffic was, several segments at once; what is left is told."""

import random
from collections import Counter

import pytest

from feedback_loop.learning.bias.balancing import balance, told
from feedback_loop.learning.segments import Admitted

KNOWN = Admitted(
    [(1, "tier", "loud"), (1, "tier", "quiet"), (1, "lang", "de"), (1, "lang", "en"), (1, "app", "a"), (1, "app", "b")]
)


def text(tier: str, lang: str) -> str:
    return f'{{"lang":"{lang}","tier":"{tier}"}}'


def crowd(count: int, seed: int = 3) -> tuple[Counter[str | None], Counter[str | None], list[tuple[str, bool]]]:
    """Traffic, the rows of it (the loud and the Germans label more), and for each row whether the answer was right."""
    chance = random.Random(seed)
    traffic: Counter[str | None] = Counter()
    rows = []
    for _ in range(count):
        tier = "loud" if chance.random() < 0.3 else "quiet"
        lang = "de" if chance.random() < 0.2 else "en"
        traffic[text(tier, lang)] += 1
        if chance.random() < (0.5 if tier == "loud" else 0.04) * (1.9 if lang == "de" else 0.4):
            rows.append((text(tier, lang), chance.random() < (0.5 if tier == "loud" else 0.9)))
    return traffic, Counter(each for each, _ in rows), rows


def test_weighted_rows_are_spread_as_traffic_by_every_name() -> None:
    """Two names skewed at once: both margins fit, and a mean over the rows is that of all who were served."""
    traffic, rows, said = crowd(40_000)

    found = balance(1, traffic, rows, KNOWN)

    weighed = {each: count * found.weights[each] for each, count in rows.items()}
    for value in ("loud", "de"):
        served = sum(count for each, count in traffic.items() if value in str(each)) / traffic.total()
        share = sum(count for each, count in weighed.items() if value in str(each)) / sum(weighed.values())
        assert share == pytest.approx(served, abs=0.005)
    assert sum(weighed.values()) == pytest.approx(rows.total(), rel=0.01)
    truth = 0.3 * 0.5 + 0.7 * 0.9
    raw = sum(right for _, right in said) / len(said)
    fair = sum(found.weights[each] * right for each, right in said) / sum(found.weights[each] for each, _ in said)
    assert abs(fair - truth) < 0.03 < 0.1 < abs(raw - truth)
    assert {skew["name"]: skew["psi_weighted"] < 0.01 < skew["psi"] for skew in told(found)} == {
        "tier": True,
        "lang": True,
    }


def test_rows_that_are_spread_as_traffic_weigh_one() -> None:
    """Chance alone moves no weight."""
    traffic: Counter[str | None] = Counter({text("loud", "de"): 300, text("quiet", "en"): 700})

    assert set(
        balance(1, traffic, Counter({text("loud", "de"): 33, text("quiet", "en"): 67}), KNOWN).weights.values()
    ) == {1.0}
    assert balance(1, {None: 100}, {None: 10}, KNOWN).worst is None


def test_what_no_row_speaks_for_is_left_and_told() -> None:
    """Weights invent nobody: half of the traffic without a row stays missing, and nothing weighs beyond ten."""
    traffic: Counter[str | None] = Counter({text("loud", "de"): 5_000, text("quiet", "en"): 5_000})

    alone = balance(1, traffic, {text("loud", "de"): 500}, KNOWN)
    rare = balance(1, traffic, {text("loud", "de"): 990, text("quiet", "en"): 10}, KNOWN)

    assert alone.worst is not None and alone.worst.after.value > 1
    assert max(rare.weights.values()) == 10
