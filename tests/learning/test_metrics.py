"""Metrics: exact ratios, the same whether kept live by changes or worked out from whole tables."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from feedback_loop.learning.metrics import Registered, bucket_start, collect, contributions, interval
from feedback_loop.learning.schemas import METRICS_SCHEMA
from tests.learning.histories import history
from tests.learning.stories import facts
from tests.learning.worlds import (
    NOON,
    Follower,
    Prepared,
    answered,
    at,
    engine,
    feedback_table,
    given,
    inference_table,
    logged,
    metrics_of,
)

BUCKETS = (1, 7, 10, 3600)
OWN = (
    Registered(1, "tone", "mean", 0),
    Registered(1, "share_of_it", "share", 0),
    Registered(1, "found", "per_answer", 3),
    Registered(2, "tone", "share", 0),
)
METRICS = {bucket_s: Prepared(lambda f, i, bucket_s=bucket_s: metrics_of(f, i, bucket_s, OWN)) for bucket_s in BUCKETS}
KEYS = ("project_id", "model_name", "model_version", "metric", "segment", "bucket_start")
SUMS = ("numerator", "denominator", "squares", "weights")


def _by_key(rows):
    return {tuple(row[key] for key in KEYS): tuple(row[name] for name in SUMS) for row in rows}


@settings(max_examples=20, deadline=None)
@given_any(rows=facts(), bucket_s=st.sampled_from(BUCKETS))
def test_live_and_batch_agree_to_the_last_digit(rows, bucket_s):
    """Numbers kept by adding and taking back contributions equal those summed over the finished tables."""
    live = Follower(bucket_s, OWN).follow(logged(rows))

    at_once = METRICS[bucket_s](live.feedback.values(), live.inferences.values())

    assert _by_key(at_once) == live.segments()


@pytest.mark.parametrize("seed", range(3))
def test_a_long_history_is_counted_the_same(seed):
    """Hundreds of events of every kind in any order: every metric moves, and both drivers say the same of each."""
    live = Follower(10, OWN).follow(logged(history(Random(seed), 120)))

    at_once = _by_key(METRICS[10](live.feedback.values(), live.inferences.values()))

    assert at_once == live.segments()
    assert {key[3] for key in at_once} == {*collect(), "tone", "share_of_it", "found"}
    assert {key[4].partition("=")[0] for key in at_once} == {"", "against", "locale", "region", "tier"}


def test_many_small_rewards_sum_exactly():
    """A thousand thirds of a point, rounded once to 6 places, lose nothing on the way, in either driver."""
    rating = {"score": 1, "scale_min": 0, "scale_max": 3}
    rows = [at(answered("a"), 1)]
    rows += [at(given("explicit_rating", rating, f"f{n}"), n + 2) for n in range(1000)]

    live = Follower().follow(rows)

    key = (1, "default", "v1", "satisfaction", "", NOON)
    assert live.segments()[key] == (Decimal("333.333000"), Decimal(1000), 0, 1000)
    assert _by_key(METRICS[10](live.feedback.values(), live.inferences.values()))[key] == live.segments()[key]


def test_the_table_keeps_the_promised_columns():
    """The table has exactly the columns and types of METRICS_SCHEMA, also without a row."""
    nothing, nobody = feedback_table([]), inference_table([])

    table = engine().to_pyarrow(metrics_of(nothing, nobody, 10, OWN))

    assert table.schema.equals(METRICS_SCHEMA)


def _values(rows):
    live = Follower(3600).follow(rows)
    return {metric: tuple(amounts) for (_, _, _, metric, _), amounts in live.metrics().items()}


def test_each_metric_counts_what_it_says():
    """Labels make accuracy, thumbs satisfaction, corrections the correction rate, and everything is volume."""
    rows = [
        at(answered("a"), 1),
        at(answered("b", "r2"), 2),
        at(given("ground_truth", {"label": "a"}, "f1"), 3),
        at(given("explicit_label", {"label": "b"}, "f2"), 4),
        at(given("explicit_binary", {"positive": False}, "f3"), 5),
        at(given("explicit_correction", {"corrected_label": "c"}, "f4"), 6),
    ]

    assert _values(rows) == {
        "accuracy": (1, 2),
        "satisfaction": (0, 1),
        "correction_rate": (1, 2),
        "clicks_per_answer": (0, 2),
        "disagreement": (1, 1),
        "volume": (4, 2),
    }


def test_a_ranking_compares_each_two_of_its_outputs():
    """B above A and C, which share a place: of two comparisons each, v2 won both, and v1 and v3 half of theirs."""
    outputs = [
        {"output_id": name, "content": "x", "model_version": of}
        for name, of in zip("ABC", ("v1", "v2", "v3"), strict=True)
    ]
    ranking = {"ranking": ["B", ["A", "C"]]}
    live = Follower(3600).follow([at(answered("a", outputs=outputs), 1), at(given("explicit_ranking", ranking), 2)])

    won = {key: amounts[:2] for key, amounts in live.segments().items() if key[3] == "win_rate"}

    assert {(key[2], key[4]): amounts for key, amounts in won.items()} == {
        ("v1", ""): (Decimal("0.5"), 2),
        ("v2", ""): (2, 2),
        ("v3", ""): (Decimal("0.5"), 2),
        ("v1", "against=v2"): (0, 1),
        ("v1", "against=v3"): (Decimal("0.5"), 1),
        ("v2", "against=v1"): (1, 1),
        ("v2", "against=v3"): (1, 1),
        ("v3", "against=v1"): (Decimal("0.5"), 1),
        ("v3", "against=v2"): (0, 1),
    }


@pytest.mark.parametrize("change", [{"state": "pending"}, {"state": "mismatched"}, {"is_undone": True}])
def test_what_is_not_settled_counts_nowhere(change):
    """Pending, mismatched and undone feedback adds nothing to any metric."""
    live = Follower().follow([at(answered("a"), 1), at(given("ground_truth", {"label": "a"}), 2)])
    [state] = live.states.values()

    [inference] = live.inferences.values()

    assert contributions(state, inference, 10)
    assert contributions(state | change, inference, 10) == []


def test_a_state_from_json_counts_the_same():
    """The stream keeps changes as JSON, where times are text: they contribute what the row itself does."""
    live = Follower().follow([at(answered("a"), 1), at(given("ground_truth", {"label": "a"}), 2)])
    [state] = live.states.values()

    [inference] = live.inferences.values()
    as_told = state | {"occurred_at": state["occurred_at"].isoformat()}

    assert contributions(as_told, inference, 10) == contributions(state, inference, 10)


def test_a_bucket_starts_on_whole_multiples_since_1970():
    """Buckets are counted in UTC, whatever zone a time came in, up to the last microsecond before the next."""
    late = datetime(2026, 3, 1, 12, 0, 9, 999_999, UTC)

    assert bucket_start(late, 10) == NOON
    assert bucket_start(late.astimezone(timezone(timedelta(hours=5, minutes=30))), 10) == NOON
    assert bucket_start(NOON, 7).timestamp() % 7 == 0


@pytest.mark.parametrize(
    ("numerator", "denominator", "low", "high"), [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433)]
)
def test_the_interval_is_wilsons(numerator, denominator, low, high):
    """Few cases give a wide interval, none the whole range."""
    assert interval(Decimal(numerator), Decimal(denominator)) == pytest.approx((low, high), abs=1e-4)
