"""Token buckets: what a client is told of its limit is true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_ingest.rate_limits import Bucket, Buckets
from feedback_ingest.receive import Limits


@given(
    st.integers(1, 100_000),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5_000)), max_size=40),
)
def test_waiting_as_told_is_enough(quota: int, visits: list[tuple[float, int]]) -> None:
    """Whatever was taken and when: after the told seconds a token is there, and never more than the quota."""
    now_s = 100.0
    bucket = Bucket(quota, now_s)
    for pause_s, amount in visits:
        now_s += pause_s
        bucket.take(amount, now_s)

    told = bucket.level("events", now_s)
    later = bucket.level("events", now_s + told.wait_s + 1e-6)

    assert 0 <= told.remaining <= quota
    assert 1 <= later.remaining <= quota


def test_a_client_that_obeys_is_served() -> None:
    """At ten times its limit a client that waits whenever nothing remains has at least 95 % of its requests taken."""
    buckets, limits, now_s = Buckets(), Limits(events_per_minute=600), 0.0
    taken = refused = 0

    for _ in range(20_000):
        now_s += 1 / 100
        if buckets.levels("k", limits, now_s)[0].remaining < 1:
            refused += 1
        else:
            taken += 1
            buckets.charge("k", limits, now_s, events=1)
        level = buckets.levels("k", limits, now_s)[0]
        if level.remaining < 1:
            now_s += level.wait_s

    assert taken / (taken + refused) >= 0.95
    assert taken <= 600 + now_s * 10 + 1, "the mean rate holds"


def test_a_batch_larger_than_the_limit_is_paid_off() -> None:
    """One batch may overdraw; what it took beyond the limit is waited for."""
    buckets, limits = Buckets(), Limits(events_per_minute=60)

    buckets.charge("k", limits, 0.0, events=1_000)

    level = buckets.levels("k", limits, 0.0)[0]
    assert (level.remaining, level.wait_s) == (0, 941)
    assert buckets.levels("k", limits, 941.0)[0].remaining == 1


def test_a_clock_that_jumps_back_gives_nothing_away() -> None:
    """The planted case of a clock that is not monotonic: no tokens appear, none vanish."""
    bucket = Bucket(60, 1_000.0)
    bucket.take(60, 1_000.0)

    assert bucket.level("events", 10.0).remaining == 0
    assert bucket.level("events", 1_001.0).remaining == 1


@pytest.mark.parametrize(("share", "quota"), [(1.0, 600), (0.5, 300)])
def test_the_fields_are_written_as_the_draft_says(share: float, quota: int) -> None:
    """RateLimit-Policy and RateLimit are lists of strings with parameters; a worker tells of its own share."""
    levels = Buckets(share).levels("k", Limits(events_per_minute=600, bytes_per_minute=6_000), 0.0)

    assert levels[0].policy() == f'"events";q={quota};w=60'
    assert levels[0].state() == f'"events";r={quota};t=1'
    assert levels[1].policy() == f'"bytes";q={quota * 10};w=60;qu="content-bytes"'
