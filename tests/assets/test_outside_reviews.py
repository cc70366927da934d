"""The sensor that exchanges with tools outside: does so on its tick, and says nothing where none is set."""

from collections.abc import Iterator

import dagster as dg
import pytest
from sqlmodel import Session

from feedback_assets.sensors.outside_reviews import outside_reviews
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.settings import get_settings
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review.label_studio.server import LabelStudioAway
from feedback_loop.review.opening import NewTask, open_tasks
from feedback_loop.review.queues import ProjectQueues
from tests.assets.world import World
from tests.review.studios import TOKEN, Studio, double


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A Label Studio that the settings name."""
    with double() as opened:
        monkeypatch.setenv("FEEDBACK_LABEL_STUDIO_URL", opened.url)
        monkeypatch.setenv("FEEDBACK_LABEL_STUDIO_TOKEN", TOKEN)
        monkeypatch.setenv("FEEDBACK_PEPPER", "pepper of the tests, long enough")
        get_settings.cache_clear()
        yield opened


def tick(world: World) -> str:
    """What one tick says; it requests no run."""
    with dg.build_sensor_context(world.instance, resources={"log": world.log}) as context:
        found = outside_reviews.evaluate_tick(context)
    assert not found.run_requests
    return found.skip_message or ""


def test_a_tick_sends_what_is_open(world: World, studio: Studio) -> None:
    """The queue's project and its task are there afterwards; the next tick has nothing to send."""
    world.infer("i-1")
    queue, decider = ReviewQueue(queue_id="digits", judged_in="label_studio"), Decider("boss", world.pepper)
    with Session(world.database.engine) as session:
        ProjectQueues(session, 1).define(queue, decider, True, utc_now())
        open_tasks(session, 1, queue, [NewTask(inference_request_id="i-1")], decider, utc_now())
        session.commit()

    assert tick(world) == "default/digits: sent 1, {}"
    assert tick(world) == "default/digits: sent 0, {}"
    assert [task["data"]["outputs"] for task in studio.tasks(studio.project())] == ["1"]


def test_a_tool_that_is_away_fails_the_tick(world: World, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster shows it, and the next tick tries again."""
    with Session(world.database.engine) as session:
        queue = ReviewQueue(queue_id="digits", judged_in="label_studio")
        ProjectQueues(session, 1).define(queue, Decider("boss", world.pepper), True, utc_now())
        session.commit()
    monkeypatch.setenv("FEEDBACK_LABEL_STUDIO_URL", "http://127.0.0.1:9")
    get_settings.cache_clear()

    with pytest.raises(LabelStudioAway):
        tick(world)


def test_without_a_tool_there_is_nothing_to_do(world: World) -> None:
    """No database is asked, no client is loaded."""
    assert tick(world) == "no queue is judged outside"
