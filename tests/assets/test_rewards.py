"""Rewards in the graph: what several feedbacks, or none in time, are worth, and which days change by time alone."""

from datetime import timedelta

from feedback_assets.sensors.changed_days import changed_days
from feedback_loop.learning.policies.attribution import AttributionPolicy, Terms
from tests.assets.world import DAY, NEXT_DAY, World

TERMS = Terms(wait_s=86_400, default_reward=0.5, resolve="mean")
POLICY = AttributionPolicy(orphan_s=86_400, metrics={"satisfaction": TERMS})


def thumb(world: World, about: str, positive: bool, **more: object) -> str:
    """A thumb of anybody."""
    return world.say(about, "explicit_binary", value={"positive": positive}, **more)


def test_what_an_inference_is_worth_follows_its_feedback_and_the_time(world: World) -> None:
    """Two thumbs make their mean; silence is pending, and the default once the log's time is past the wait."""
    world.decide(POLICY)
    for name in ("liked", "silent"):
        world.infer(name)
    for positive in (True, False):
        thumb(world, "liked", positive)
    thumb(world, "never logged", True)
    assert world.refresh(only="inference_rewards").success
    found = {row["inference_request_id"]: row for row in world.rows("inference_rewards")}
    before = world.head()

    world.infer("a day later", at=NEXT_DAY)
    with world.log.session() as session:
        _, reached = changed_days(session, before, world.head())
    assert world.refresh(DAY, NEXT_DAY, only="inference_rewards").success
    later = {row["inference_request_id"]: row for row in world.rows("inference_rewards", DAY)}
    states = {row["inference_request_id"]: row["state"] for row in world.rows("attributed_feedback", DAY)}

    assert (found["liked"]["state"], found["liked"]["reward"], found["liked"]["votes"]) == ("attributed", 0.5, 2)
    assert (found["silent"]["state"], found["silent"]["reward"]) == ("pending", None)
    assert (later["silent"]["state"], later["silent"]["reward"]) == ("defaulted", 0.5)
    assert (reached, states["never logged"]) == ([DAY.date()], "orphaned")


def test_feedback_of_a_later_day_changes_the_day_of_its_inference(world: World) -> None:
    """Late feedback leaves the default as it is; what came in time, however late it was received, replaces it."""
    world.decide(POLICY)
    for name in ("told late", "received late"):
        world.infer(name)
    world.refresh(only="inference_rewards")
    before = world.head()

    after = DAY + timedelta(days=2)
    thumb(world, "told late", True, at=after)
    thumb(world, "received late", True, at=DAY + timedelta(hours=1), received=after)
    with world.log.session() as session:
        _, reached = changed_days(session, before, world.head())
    world.refresh(DAY, after, only="inference_rewards")

    found = {row["inference_request_id"]: row for row in world.rows("inference_rewards", DAY)}
    assert reached == [DAY.date()]
    assert (found["told late"]["state"], found["told late"]["reward"]) == ("defaulted", 0.5)
    assert (found["received late"]["state"], found["received late"]["reward"]) == ("attributed", 1.0)
