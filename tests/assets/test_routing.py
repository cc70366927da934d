"""Routes in the graph: what is held back or led elsewhere is in no labelled set, as of the offset that is read."""

from datetime import timedelta
from typing import Any

import ibis
import msgspec
import pyarrow as pa
import pytest
from sqlmodel import Session

from feedback_assets import routing
from feedback_ingest import log
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.routes import Route
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, INFERENCE_SCHEMA
from feedback_loop.stream.routing.book import ProjectRoutes
from tests.assets.world import DAY, World

HOLDING = {"route_id": "doubtful", "where": {"tags": {"doubt": "yes"}}, "hold": True, "hold_s": 3_600}
DOUBT = {"doubt": "yes"}
VERDICT = {"label": "2", "task_id": "t", "annotators": ["p_a"], "method": "expert"}


def define(world: World, *wanted: dict[str, Any]) -> None:
    """Defines routes, as an administrator does."""
    with Session(world.database.engine) as session:
        for each in wanted:
            ProjectRoutes(session, 1).define(msgspec.convert(each, Route), Decider("a-key", world.pepper), utc_now())
        session.commit()


def learnt_from(world: World, upto: int) -> set[str]:
    """The inferences whose feedback may be learnt from as of an offset, without the rest of the graph."""
    with world.log.session() as session:
        facts = log.read(session, 0, 1_000)
        said = [row for row in map(feedback_row, facts) if row is not None and row["log_offset"] <= upto]
        answered = [row for row in map(inference_row, facts) if row is not None]
        about = ibis.memtable(pa.Table.from_pylist(said, FEEDBACK_SCHEMA))
        given = ibis.memtable(pa.Table.from_pylist(answered, INFERENCE_SCHEMA))
        found = routing.routed(attributed(about, given), session, upto)
    return set(found.inference_request_id.to_pyarrow().to_pylist())


def test_a_hold_ends_as_the_log_says(world: World) -> None:
    """By a verdict, or an event received late enough; reading up to an earlier offset gives the earlier answer."""
    define(world, HOLDING)
    for name in ("a", "b"):
        world.infer(name)
    world.say("a", tags=DOUBT)
    world.say("b")
    held_at = world.head()
    world.say("a", "review_label", value=VERDICT, source={"kind": "reviewer"})
    world.infer("c")
    world.say("c", tags=DOUBT)
    waiting_at = world.head()
    late = DAY + timedelta(hours=1)
    world.infer("d", at=late, received=late)

    assert learnt_from(world, held_at) == {"b"}
    assert learnt_from(world, waiting_at) == {"a", "b"}
    assert learnt_from(world, world.head()) == {"a", "b", "c"}


def test_only_what_leads_to_the_lake_is_learnt_from(world: World) -> None:
    """A default route defined anew leads a part of the feedback to datasets; the rest is looked at elsewhere."""
    define(
        world,
        {"route_id": "default", "where": {"source_kinds": ["system"]}, "sinks": ["training_queue", "lake"]},
        {"route_id": "people", "where": {"source_kinds": ["end_user"]}, "sinks": ["review"]},
    )
    for name in ("a", "b"):
        world.infer(name)
    world.say("a", source={"kind": "system"})
    world.say("b")

    assert learnt_from(world, world.head()) == {"a"}


@pytest.mark.parametrize(("forgetful", "labelled"), [(False, {"b"}), (True, {"a", "b"})])
def test_the_labelled_set_leaves_out_what_is_held(
    world: World, monkeypatch: pytest.MonkeyPatch, forgetful: bool, labelled: set[str]
) -> None:
    """The graph asks; the bug planted, one that is `forgetful` of routes, has the held label in the set."""
    if forgetful:
        monkeypatch.setattr(routing, "book", lambda _: {})
    define(world, HOLDING)
    for name, tags in (("a", DOUBT), ("b", {"doubt": "no"})):
        world.infer(name)
        world.say(name, tags=tags)

    world.refresh(only="labeled_set")

    assert {row["inference_request_id"] for row in world.rows("labeled_set")} == labelled
