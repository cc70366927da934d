"""Routes in the graph: what is held back or led elsewhere is in no labelled set, as of the offset that is read."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlmodel import Session

from feedback_assets import routing
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_loop.learning.routes import Route
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


def labelled(world: World, upto: int) -> set[str]:
    """The inferences with a believed label, as of an offset."""
    world.refresh(upto=upto)
    return {row["inference_request_id"] for row in world.rows("labeled_set")}


def test_a_held_label_is_not_learnt_from(world: World) -> None:
    """Until a verdict, or an event received late enough; reading up to an earlier offset gives the earlier answer."""
    define(world, HOLDING)
    for name in ("a", "b"):
        world.infer(name)
    world.say("a", tags=DOUBT)
    world.say("b")
    held_at = world.head()
    world.say("a", "review_label", value=VERDICT, source={"kind": "reviewer"})
    judged_at = world.head()
    world.infer("c")
    world.say("c", tags=DOUBT)
    waiting_at = world.head()
    late = DAY + timedelta(hours=1)
    world.infer("d", at=late, received=late)

    assert labelled(world, held_at) == {"b"}
    assert labelled(world, judged_at) == {"a", "b"}
    assert labelled(world, waiting_at) == {"a", "b"}
    assert labelled(world, world.head()) == {"a", "b", "c"}
    assert labelled(world, held_at) == {"b"}


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

    assert labelled(world, world.head()) == {"a"}


def test_a_forgetful_graph_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: a labelled set that knows no routes holds what is held back."""
    monkeypatch.setattr(routing, "book_of_facts", lambda _: {})
    define(world, HOLDING)
    world.infer("a")
    world.say("a", tags=DOUBT)

    assert labelled(world, world.head()) == {"a"}
