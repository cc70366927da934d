"""Agreement between reviewers, against published figures and real crowds."""

import csv
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from feedback_loop.learning.agreement import (
    Judgement,
    cohen_kappa,
    confusions,
    krippendorff_alpha,
    pairwise_agreement,
)
from feedback_loop.learning.consensus_methods import Record, collect

DATA = Path(__file__).parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.exists(), reason="the real crowds are not beside the checkout")

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", part C: four observers, twelve units, gaps.
UNITS = [
    [1, 1, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4], [4, 4, 4, 4], [1, 1, 2, 1],
    [2, 2, 2, 2], [5, 5, 5], [1, 1], [3],
]  # fmt: skip


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_the_published_one(level: Any, alpha: float) -> None:
    """Krippendorff's own example, with its missing answers and its unit that nobody can be compared on."""
    found = krippendorff_alpha(UNITS, level)

    assert found is not None and round(found, 3) == alpha


def test_alpha_knows_when_there_is_nothing_to_tell() -> None:
    """Agreement in all is 1, opposition is below chance, and one answer everywhere is no evidence."""
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1
    assert (krippendorff_alpha([["a", "b"], ["b", "a"]]) or 0) < 0
    assert krippendorff_alpha([["a", "a"], ["a"]]) is None
    assert krippendorff_alpha([]) is None


def test_kappa_is_the_published_one() -> None:
    """Cohen's measure of two readers of fifty applications: 20 yes and 15 no together, 5 and 10 apart."""
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15

    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([("yes", "yes")]) is None


def test_what_was_taken_for_what() -> None:
    """A reviewer's confusion counts true against said, where the truth is known; pairs of answers agree or not."""
    said = [Judgement("i1", "ann", "cat"), Judgement("i2", "ann", "cat"), Judgement("i3", "ann", "dog")]

    assert confusions(said, {"i1": "cat", "i2": "dog"}) == {"ann": {("cat", "cat"): 1, ("dog", "cat"): 1}}
    assert pairwise_agreement(["a", "a", "b"]) == pytest.approx(1 / 3)
    assert pairwise_agreement(["a"]) is None


def votes() -> list[Judgement]:
    """Five votes each on a thousand items by 83 workers."""
    with gzip.open(DATA / "crowd_mozafari" / "labels.tsv.gz", "rt") as lines:
        return [Judgement(item, worker, label) for worker, item, label in csv.reader(lines, delimiter="\t")]


@real
@pytest.mark.parametrize(("method", "right"), [("majority", 0.696), ("dawid_skene", 0.712), ("mace", 0.730)])
def test_adjudication_of_a_real_crowd(method: str, right: float) -> None:
    """Against gold it is as good as reference implementations are, to three digits, and leaves no item out.

    MACE is better than the one of crowd-kit, which starts at random and finds .703.
    """
    gold = dict(csv.reader((DATA / "crowd_mozafari" / "gold.tsv").open(), delimiter="\t"))

    found = collect()[method]().decide(votes(), {})

    assert found.keys() == gold.keys()
    assert round(sum(each.answer == gold[item] for item, each in found.items()) / len(gold), 3) == right


def test_who_merely_clicks_is_not_believed() -> None:
    """Two who know and three who answer by habit, on twenty items: the majority is misled, MACE is not."""
    truth = {str(n): "abc"[n % 3] for n in range(20)}
    habits = {"always_a": "a", "always_a_too": "a", "always_b": "b"}
    said = [Judgement(item, who, label) for item, label in truth.items() for who in ("ann", "bob")]
    said += [Judgement(item, who, label) for item in truth for who, label in habits.items()]

    wrong = {
        name: sum(each.answer != truth[item] for item, each in collect()[name]().decide(said, {}).items())
        for name in ("majority", "mace")
    }

    assert wrong["mace"] == 0 < wrong["majority"]


@real
def test_adjudication_of_real_label_errors() -> None:
    """Of 25,127 votes on 5,013 labels in doubt the majority finds 541 wrong and corrected, as the set's source says."""
    said = []
    for path in (DATA / "label_errors").glob("*_mturk.json.gz"):
        with gzip.open(path, "rt") as lines:
            for each in json.load(lines):
                voted = [answer for answer, count in each["mturk"].items() for _ in range(int(count))]
                said += [Judgement(f"{path.name}/{each['id']}", str(n), answer) for n, answer in enumerate(voted)]

    found = collect()["majority"]().decide(said, {})

    assert (len(found), len(said)) == (5_013, 25_127)
    assert sum(each.answer == "guessed" for each in found.values()) == 541


@real
def test_gold_items_tell_whom_to_believe() -> None:
    """With weights learnt on half of the items, the other half is adjudicated better than by the majority."""
    gold = dict(csv.reader((DATA / "crowd_mozafari" / "gold.tsv").open(), delimiter="\t"))
    said = votes()
    known = {item: answer for item, answer in gold.items() if int(item) % 2}
    told = confusions(said, known)
    records = {who: Record(n.total(), sum(t for (a, b), t in n.items() if a == b)) for who, n in told.items()}
    others = [each for each in said if each.item not in known]

    right = {
        name: sum(each.answer == gold[item] for item, each in collect()[name]().decide(others, records).items())
        for name in ("majority", "weighted")
    }

    assert right["weighted"] > right["majority"]


@real
def test_alpha_of_real_crowds() -> None:
    """Labels and preferences at the nominal level, ratings at the interval level, to three digits and the fourth."""
    labels, preferences = defaultdict(list), defaultdict(list)
    for item, _, answer in votes():
        labels[item].append(answer)
    with gzip.open(DATA / "llmfao" / "crowd-comparisons.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            preferences[row["id"]].append(row["winner"])
    with gzip.open(DATA / "mlqe_pe_en_de" / "en-de.jsonl.gz", "rt") as lines:
        ratings = [json.loads(line)["scores"] for line in lines]

    found = [
        krippendorff_alpha(labels.values()),
        krippendorff_alpha(preferences.values()),
        krippendorff_alpha(ratings, "interval"),
    ]

    assert [round(each or 0, 4) for each in found] == [0.4059, 0.2906, 0.3762]
