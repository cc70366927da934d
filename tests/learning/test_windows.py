"""Windows: what each holds, that a late event changes its own only, and that functions and expressions are one."""

from datetime import timedelta
from decimal import Decimal

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.learning.schemas import METRICS_SCHEMA
from feedback_loop.learning.windows import (
    Bucket,
    sessions,
    sliding,
    sliding_table,
    tumbling,
    tumbling_table,
)
from tests.learning.worlds import NOON, engine

BUCKET_S = 10
BY = ("project_id", "model_name", "model_version", "metric", "segment")
KINDS = {
    "tumbling": (lambda buckets: tumbling(buckets, 30), lambda table: tumbling_table(table, 30, BY)),
    "sliding": (lambda buckets: sliding(buckets, 60, 20), lambda table: sliding_table(table, 60, 20, BY)),
}


def bucket(at_s, up=1, down=2):
    """A bucket so many seconds after noon."""
    return Bucket(NOON + timedelta(seconds=at_s), Decimal(up), Decimal(down), Decimal(up * up))


def told(windows):
    """Start and end in seconds after noon, and the sums."""
    return [((w.start - NOON).total_seconds(), (w.end - NOON).total_seconds(), *map(int, w[2:4])) for w in windows]


def test_tumbling_windows_stand_side_by_side():
    """Each bucket is in one window; one that holds nothing is not told."""
    assert told(tumbling([bucket(0), bucket(20), bucket(30), bucket(90)], 30)) == [
        (0, 30, 2, 4),
        (30, 60, 1, 2),
        (90, 120, 1, 2),
    ]


def test_sliding_windows_overlap():
    """Each bucket is in as many windows as steps fit into one."""
    assert told(sliding([bucket(0), bucket(30)], 40, 20)) == [(-20, 20, 1, 2), (0, 40, 2, 4), (20, 60, 1, 2)]


@pytest.mark.parametrize(("pause_s", "count"), [(20, 1), (30, 2)])
def test_a_session_ends_with_a_pause(pause_s, count):
    """What follows within the gap belongs to the session, what follows after it opens another."""
    found = sessions([bucket(10 + pause_s), bucket(0)], BUCKET_S, 30)

    assert len(found) == count
    assert told(found)[0][:2] == (0, 10 if count == 2 else 20 + pause_s)


@pytest.mark.parametrize("kind", ["tumbling", "sliding"])
def test_a_late_event_changes_its_own_windows_only(kind):
    """Whenever it comes: the windows that hold its moment differ by it, all others are as they were."""
    of = KINDS[kind][0]
    known = [bucket(at) for at in range(0, 600, 10)]
    late = bucket(200, up=5, down=7)

    before, after = {w.start: w for w in of(known)}, {w.start: w for w in of([*known, late])}

    changed = [after[start] for start in after if after[start] != before[start]]
    assert changed == [w for w in after.values() if w.start <= late.start < w.end]
    assert all(w.denominator - before[w.start].denominator == 7 for w in changed)


def test_a_late_event_may_join_two_sessions():
    """Sessions are what was said, not what was said in time."""
    apart = [bucket(0), bucket(60)]

    assert [len(sessions(buckets, BUCKET_S, 30)) for buckets in (apart, [*apart, bucket(30)])] == [2, 1]


amounts = st.decimals(-(10**9), 10**9, places=6, allow_nan=False)
series = st.tuples(st.sampled_from(["v1", "v2"]), st.sampled_from(["", "tier=pro"]))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(rows=st.dictionaries(st.tuples(series, st.integers(-40, 40)), st.tuples(amounts, amounts), max_size=30))
def test_function_and_expression_are_one(kind, rows):
    """Any buckets of any series: the same windows with the same sums, to the last digit."""
    of, table_of = KINDS[kind]
    buckets, wanted = {}, set()
    for (name, place), (up, down) in rows.items():
        start = NOON + timedelta(seconds=BUCKET_S * place)
        buckets.setdefault(name, []).append(Bucket(start, up, down, abs(up)))
    for name, held in buckets.items():
        wanted |= {(1, "m", name[0], "accuracy", name[1], *window) for window in of(held)}
    listed = [
        dict(zip(METRICS_SCHEMA.names, (1, "m", name[0], "accuracy", name[1], *each), strict=True))
        for name, held in buckets.items()
        for each in held
    ]

    table = table_of(ibis.memtable(pa.Table.from_pylist(listed, METRICS_SCHEMA)))

    assert {tuple(row.values()) for row in engine().to_pyarrow(table).to_pylist()} == wanted
