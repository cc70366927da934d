"""Segments: how many there may be, whose value holds, and that the log's order alone decides, in both drivers."""

from collections import defaultdict

import ibis
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.learning import segments
from feedback_loop.learning.metrics import segments_of
from feedback_loop.learning.segments import ALL, Admitted, admitted, pairs
from tests.learning.worlds import Follower, Prepared, answered, at, engine, metrics_of
from tests.learning.worlds import given as said

ROW = pa.schema([("project_id", pa.int32()), ("log_offset", pa.int64()), ("segments", pa.string())])


def text(**named):
    """A `segments` column."""
    return orjson.dumps(named, option=orjson.OPT_SORT_KEYS).decode()


def admitted_by_table(rows):
    """What the expression admits of (project, segments) in this order."""
    listed = [{"project_id": p, "log_offset": at, "segments": s} for at, (p, s) in enumerate(rows, 1)]
    half = len(listed) // 2
    tables = [ibis.memtable(pa.Table.from_pylist(part, ROW)) for part in (listed[:half], listed[half:])]
    return {tuple(row.values()) for row in engine().to_pyarrow(admitted(*tables)).to_pylist()}


names = st.sampled_from(["a", "b", "c", "against", "x=y", "", "n" * 64, "n" * 65])
values = st.sampled_from(["1", "2", "3", 'Größe "L"', "v" * 64, "v" * 65, ""])
columns = st.one_of(st.none(), st.dictionaries(names, values, max_size=4).map(lambda named: text(**named)))


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from([1, 2]), columns), max_size=25))
def test_function_and_expression_admit_the_same(rows):
    """Whatever comes in whatever order: with room for two names and two values, the same two."""
    with pytest.MonkeyPatch.context() as bound:
        bound.setattr(segments, "NAMES", 2)
        bound.setattr(segments, "VALUES", 2)
        found = Admitted()
        new = [tuple(each) for row in rows for each in found.admit([row])]

        assert set(new) == admitted_by_table(rows)
        assert set(Admitted().admit(rows)) == set(new)
        assert all(len({n for p, n, _ in new if p == project}) <= 2 for project in (1, 2))


def test_later_values_are_other_and_later_names_are_none():
    """The first come; what is admitted once stays, and a project's room is its own."""
    known = Admitted()
    known.admit([(1, text(tier=f"t{n}")) for n in range(60)])
    known.admit([(1, text(**{f"n{n}": "x"})) for n in range(20)])

    assert known.segments_of(1, text(tier="t0"), None) == [ALL, "tier=t0"]
    assert known.segments_of(1, text(tier="t59"), None) == [ALL, "tier=other"]
    assert known.segments_of(1, text(n14="x", n15="x"), None) == [ALL, "n14=x"]
    assert known.segments_of(2, text(tier="t0"), None) == [ALL]


def test_the_inferences_value_holds():
    """Where feedback and inference both name a segment, the silent ones have the inference's value, so all have."""
    known = Admitted([(1, "tier", "pro"), (1, "tier", "free"), (1, "locale", "de")])

    found = known.segments_of(1, text(tier="free", locale="de"), text(tier="pro"))

    assert sorted(found) == [ALL, "locale=de", "tier=pro"]


@pytest.mark.parametrize("name", ["", "against", "a=b", "n" * 65])
def test_a_name_that_could_not_be_told_back_is_none(name):
    """Keys are `name=value`, and `against` is told of comparisons."""
    assert pairs(text(**{name: "x"})) == ()


def test_metrics_beyond_the_bounds_are_the_same_in_both_drivers(monkeypatch):
    """With more values and names than there is room for, kept live or worked out at once: the same rows."""
    monkeypatch.setattr(segments, "NAMES", 2)
    monkeypatch.setattr(segments, "VALUES", 2)
    rows = []
    for n in range(12):
        context = {"segments": {"tier": f"t{n % 4}", f"z{n % 3}": "x"}}
        rows.append(answered("a", f"r{n}", segments={"tier": f"t{(n + 1) % 4}"} if n % 2 else {"region": f"x{n}"}))
        label = {"label": "a" if n % 3 else "b"}
        rows.append(said("ground_truth", label, f"f{n}", inference_request_id=f"r{n}", user_context=context))
    live = Follower(10).follow(at(row, place) for place, row in enumerate(rows, 1))

    table = Prepared(metrics_of)(live.feedback.values(), live.inferences.values())

    by_segment = defaultdict(int)
    for row in table:
        if row["metric"] == "accuracy":
            by_segment[row["segment"]] += row["denominator"]
    keys = ("project_id", "model_name", "model_version", "metric", "segment", "bucket_start")
    sums = ("numerator", "denominator", "squares", "weights")
    assert {tuple(row[k] for k in keys): tuple(row[k] for k in sums) for row in table} == live.segments()
    assert by_segment[""] == 12 == sum(count for name, count in by_segment.items() if name.startswith("tier="))
    assert {name.partition("=")[0] for name in by_segment} == {"", "region", "tier"}
    assert segments_of(next(iter(live.sums)), live.admitted)[0] == ALL
