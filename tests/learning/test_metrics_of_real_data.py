"""Metrics of real feedback: what this project makes of it, against figures that were worked out without it."""

import csv
import gzip
from collections import Counter

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.linear_model import LogisticRegression

from feedback_loop.learning.bradley_terry import Record, ranking
from feedback_loop.learning.rows import feedback_row
from tests.learning.shared_data import DATA, rows_of
from tests.learning.worlds import engine, feedback_table, found, given, inference_table, metrics_of

HOUR_S = 3_600
AGAINST = "against="


def metrics_by(feedback, inferences, *keys):
    """The sums by these columns, over all time."""
    rows = found(metrics_of(feedback_table(feedback), inference_table(inferences), HOUR_S))
    sums = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        up, down = sums.get(key, (0, 0))
        sums[key] = (up + row["numerator"], down + row["denominator"])
    return sums


def independent_fit():
    """Strengths of the 59 models from the votes as they were published: logistic regression, nearly without penalty."""
    with gzip.open(DATA / "llmfao" / "crowd-comparisons.csv.gz", "rt", encoding="utf-8") as lines:
        votes = [(row["left"], row["right"], row["winner"]) for row in csv.DictReader(lines)]
    names = sorted({name for vote in votes for name in vote[:2]})
    sides, won, weight = [], [], []
    for left, right, winner in votes:
        row = np.zeros(len(names))
        row[names.index(left)], row[names.index(right)] = 1, -1
        outcomes = ((1, 0.5), (0, 0.5)) if winner == "tie" else ((int(winner == "left"), 1.0),)
        for outcome, of in outcomes:
            sides.append(row)
            won.append(outcome)
            weight.append(of)
    fit = LogisticRegression(C=1e6, fit_intercept=False, max_iter=5_000).fit(np.array(sides), won, sample_weight=weight)
    return dict(zip(names, fit.coef_[0], strict=True))


def test_the_order_of_59_models_is_that_of_an_independent_fit(tmp_path):
    """From preferences of pairs to win rates against each other to strengths: Kendall's tau is 0.98 at least."""
    feedback, inferences = rows_of("llmfao", tmp_path)
    sums = metrics_by(feedback, inferences, "metric", "model_version", "segment")
    records = [
        Record(version, segment.removeprefix(AGAINST), float(up), float(down))
        for (metric, version, segment), (up, down) in sums.items()
        if metric == "win_rate" and segment.startswith(AGAINST)
    ]
    strengths = {each.version: each.strength for each in ranking(records)}

    known = independent_fit()

    assert len(strengths) == 59 and strengths.keys() == known.keys()
    assert kendalltau([strengths[name] for name in known], list(known.values())).statistic >= 0.98
    counted = sum(down for (metric, _, segment), (_, down) in sums.items() if (metric, segment) == ("win_rate", ""))
    assert counted == 2 * len(feedback)


def exposures_of(inferences):
    """What the set leaves out: that the one item of every answer was shown."""
    for row in inferences:
        value = {"items": [{"item_id": "shown", "position": 0}]}
        about = {"inference_request_id": row["inference_request_id"], "model_version": row["model_version"]}
        told = given("exposure", value, f"shown {row['log_offset']}", **about)
        yield feedback_row(told._replace(log_offset=1_000_000 + row["log_offset"], occurred_at=row["occurred_at"]))


def test_clicks_by_policy_are_a_count_in_plain_sql(tmp_path):
    """By exposures where they are logged, and by answers where none are: the set's every inference was shown."""
    feedback, inferences = rows_of("obd", tmp_path)
    counted = engine().con.sql(f"""
        SELECT 'obd_women-' || policy, sum(click), count(*) FROM (
            SELECT 'random' AS policy, click FROM read_csv('{DATA}/obd_women/random.csv.gz')
            UNION ALL SELECT 'bts', click FROM read_csv('{DATA}/obd_women/bts.csv.gz')) GROUP BY 1
    """)
    plain = {policy: (clicks, shown) for policy, clicks, shown in counted.fetchall()}

    as_logged = metrics_by(feedback, inferences, "metric", "segment", "model_version")
    exposed = metrics_by([*feedback, *exposures_of(inferences)], inferences, "metric", "segment", "model_version")

    assert sum(shown for _, shown in plain.values()) == 20_000
    for policy, clicks_and_shown in plain.items():
        assert as_logged["clicks_per_answer", "", policy] == clicks_and_shown
        assert exposed["click_through", "", policy] == clicks_and_shown
        assert as_logged["click_through", "", policy][1] == 0


def test_disagreement_of_many_judges_is_that_of_krippendorffs_alpha(tmp_path):
    """Where each item has as many votes, 1 - observed / expected disagreement is the alpha that others worked out."""
    feedback, inferences = rows_of("crowdvotes", tmp_path)
    up, down = metrics_by(feedback, inferences, "metric", "segment")["disagreement", ""]
    labels = Counter(row["label"] for row in feedback)
    n = sum(labels.values())
    expected = 1 - sum(count * (count - 1) for count in labels.values()) / (n * (n - 1))

    assert (n, down) == (5_000, 1_000)
    assert 1 - float(up / down) / expected == pytest.approx(0.4059, abs=5e-5)
