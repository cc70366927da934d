"""Routes: one meaning in the function and the expression; what a filter takes, and how long a hold lasts."""

from datetime import timedelta
from typing import Any

import ibis
import msgspec
import orjson
import pyarrow as pa
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from feedback_loop.learning.routed import reaches, with_holds
from feedback_loop.learning.routes import (
    DEFAULT,
    EVERYTHING,
    Filter,
    Placed,
    Range,
    Releases,
    Route,
    held_until,
    is_held,
    sinks_of,
    taking,
)
from feedback_loop.learning.schemas import ATTRIBUTED_SCHEMA
from tests.learning.worlds import NOON, engine

KEYS = pa.schema([("project_id", pa.int32()), ("inference_request_id", pa.string()), ("log_offset", pa.int64())])
FREED = pa.schema([("project_id", pa.int32()), ("feedback_id", pa.string())])
WORDS = st.sampled_from(["a", "b", 'a","b":"a', "{", "é"])
PAIRS = st.dictionaries(WORDS, WORDS, min_size=1, max_size=2)
LABELS = st.sampled_from([3, -2, "3", "b", True])
RANGES = st.builds(Range, min=st.none() | st.integers(-3, 3), max=st.none() | st.integers(-3, 3))
FILTERS = st.builds(
    Filter,
    feedback_types=st.none() | st.just(["ground_truth"]),
    model_name=st.none() | WORDS,
    model_version=st.none() | WORDS,
    metric=st.none() | WORDS,
    source_kinds=st.none() | st.just(["end_user", "system"]),
    segments=st.none() | PAIRS,
    tags=st.none() | PAIRS,
    reward=st.none() | RANGES,
    labels=st.none() | st.lists(LABELS, min_size=1, max_size=2),
    label=st.none() | RANGES,
)
ROUTES = st.builds(
    Route,
    route_id=st.just("r"),
    where=FILTERS,
    sinks=st.lists(st.sampled_from(["training_queue", "lake", "review"]), unique=True),
    hold=st.booleans(),
    hold_s=st.sampled_from([60, 120]),
)
PLACED = st.builds(Placed, route=ROUTES, after=st.integers(0, 3), upto=st.none() | st.integers(0, 6))


def compact(pairs: dict[str, str] | None) -> str | None:
    """JSON text as rows hold it."""
    return orjson.dumps(pairs, option=orjson.OPT_SORT_KEYS).decode() if pairs else None


ROWS = st.fixed_dictionaries(
    {
        "log_offset": st.integers(1, 6),
        "project_id": st.sampled_from([1, 2]),
        "feedback_id": st.sampled_from(["f1", "f2", "f3"]),
        "inference_request_id": st.sampled_from(["i1", "i2"]),
        "model_name": WORDS,
        "model_version": WORDS,
        "feedback_type": st.sampled_from(["ground_truth", "explicit_binary"]),
        "metric": st.none() | WORDS,
        "source_kind": st.sampled_from(["end_user", "reviewer"]),
        "segments": (st.none() | PAIRS).map(compact),
        "tags": (st.none() | PAIRS).map(compact),
        "received_at": st.integers(0, 200).map(lambda seconds: NOON + timedelta(seconds=seconds)),
        "label": st.none() | LABELS.map(lambda label: orjson.dumps(label).decode()) | st.just('["3"]'),
        "reward": st.none() | st.integers(-3, 3).map(float),
        "state": st.sampled_from(["pending", "attributed", "mismatched"]),
    }
)
VERDICTS = st.dictionaries(st.tuples(st.sampled_from([1, 2]), st.sampled_from(["i1", "i2"])), st.integers(1, 8))
RELEASED = st.sets(st.tuples(st.sampled_from([1, 2]), st.sampled_from(["f1", "f2"])))


@settings(max_examples=60, deadline=None)
@given_any(
    rows=st.lists(ROWS, min_size=1, max_size=6),
    placed=st.lists(PLACED, max_size=3),
    verdicts=VERDICTS,
    released=RELEASED,
    late_s=st.integers(0, 400),
)
def test_function_and_expression_agree(
    rows: list[dict[str, Any]], placed: list[Placed], verdicts: Any, released: Any, late_s: int
) -> None:
    """Row by row or at once: the same sinks, the same holds. Project 2 has no routes of its own."""
    newest = NOON + timedelta(seconds=late_s)
    table = ibis.memtable(pa.Table.from_pylist(rows, ATTRIBUTED_SCHEMA))
    said = [{"project_id": p, "inference_request_id": i, "log_offset": o} for (p, i), o in verdicts.items()]
    freed = [{"project_id": p, "feedback_id": f} for p, f in released]
    tables = [ibis.memtable(pa.Table.from_pylist(*each)) for each in ((said, KEYS), (freed, FREED))]
    whole = with_holds(table, {1: placed}, *tables, newest)
    found = engine().to_pyarrow(whole.mutate(queued=reaches(whole, {1: placed}, "training_queue")))

    expected = []
    for row in rows:
        mine = row["project_id"]
        routes = taking(row, placed if mine == 1 else EVERYTHING)
        releases = Releases(
            {name: offset for (project, name), offset in verdicts.items() if project == mine},
            {name: 1 for project, name in released if project == mine},
            newest,
        )
        expected.append((row["log_offset"], "training_queue" in sinks_of(routes), is_held(row, routes, releases)))

    assert sorted(expected) == sorted((row["log_offset"], row["queued"], row["is_held"]) for row in found.to_pylist())


SAID = {
    "log_offset": 5,
    "feedback_id": "f",
    "inference_request_id": "i",
    "feedback_type": "ground_truth",
    "state": "attributed",
    "model_name": "digits",
    "model_version": "v1",
    "metric": "accuracy",
    "source_kind": "end_user",
    "segments": '{"app":"web","locale":"de"}',
    "tags": '{"lane":"b"}',
    "reward": 0.5,
    "label": "3",
    "received_at": NOON,
}


@pytest.mark.parametrize(
    ("where", "takes"),
    [
        ({}, True),
        ({"feedback_types": ["explicit_binary", "ground_truth"]}, True),
        ({"feedback_types": ["explicit_binary"]}, False),
        ({"segments": {"locale": "de"}}, True),
        ({"segments": {"locale": "de", "app": "ios"}}, False),
        ({"tags": {"lane": "b"}}, True),
        ({"tags": {"lan": "b"}}, False),
        ({"reward": {"max": 0.5}}, True),
        ({"reward": {"min": 0.51}}, False),
        ({"labels": [3]}, True),
        ({"labels": ["3"]}, False),
        ({"label": {"min": 2, "max": 4}}, True),
        ({"label": {"min": 4}}, False),
        ({"model_name": "digits", "model_version": "v1", "metric": "accuracy", "source_kinds": ["end_user"]}, True),
    ],
)
def test_every_member_must_hold(where: dict[str, Any], takes: bool) -> None:
    """A filter takes what passes all that it says."""
    assert msgspec.convert(where, Filter).takes(SAID) is takes


def test_a_model_is_known_with_its_inference() -> None:
    """What waits for its inference passes no filter on the model's name, whatever name it gave."""
    assert not Filter(model_name="digits").takes({**SAID, "state": "pending"})


@pytest.mark.parametrize(
    ("releases", "held"),
    [
        (Releases({}, {}, NOON + timedelta(seconds=59)), True),
        (Releases({}, {}, NOON + timedelta(seconds=60)), False),
        (Releases({"i": 4}, {}, NOON), True),
        (Releases({"i": 6}, {}, NOON), False),
        (Releases({}, {"f": 9}, NOON), False),
    ],
)
def test_a_hold_ends(releases: Releases, held: bool) -> None:
    """By an event received late enough, by a verdict that came after it, by a release; not by an older verdict."""
    assert is_held(SAID, [Route(route_id="r", hold=True, hold_s=60)], releases) is held


def test_the_longest_hold_counts() -> None:
    """Two routes that hold the same feedback hold it as long as either does."""
    routes = [Route(route_id="a", hold=True, hold_s=60), Route(route_id="b", hold=True, hold_s=600), DEFAULT]

    assert held_until(SAID, routes) == NOON + timedelta(seconds=600)
    assert held_until(SAID, [DEFAULT]) is None


@pytest.mark.parametrize(
    ("route", "pointer"),
    [
        ({"where": {"feedback_types": ["love"]}, "sinks": ["lake"]}, "/where/feedback_types/0"),
        ({"where": {"reward": {"min": 2, "max": 1}}, "sinks": ["lake"]}, "/where/reward/max"),
        ({"sinks": ["lake", "lake"]}, "/sinks"),
        ({"sinks": []}, "/sinks"),
        ({"sinks": ["webhook"]}, "/webhook_id"),
        ({"sinks": ["lake"], "webhook_id": "we_1"}, "/webhook_id"),
    ],
)
def test_a_route_that_makes_no_sense_is_named(route: dict[str, Any], pointer: str) -> None:
    """By the field that is to be mended."""
    assert [fault.pointer for fault in msgspec.convert({"route_id": "r", **route}, Route).faults()] == [pointer]
