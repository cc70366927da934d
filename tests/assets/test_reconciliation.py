"""The stream's live numbers against the log's: equal to the last digit, or a red check."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from feedback_assets.checks import live
from feedback_assets.partitions import UPTO_TAG, span_tags
from feedback_assets.reconciliation import reconcile_metrics
from feedback_ingest.settings import get_settings
from feedback_loop.learning.policies.attribution import AttributionPolicy, Terms
from feedback_loop.stream.process import catch_up
from tests.assets.world import DAY, NEXT_DAY, World, checks

CHECKS = (
    "live_attribution_is_the_logs",
    "live_metrics_are_the_logs",
    "live_enrichments_are_the_logs",
    "live_rewards_are_the_logs",
)
TERMS = Terms(wait_s=86_400, default_reward=0.5, resolve="mean")
POLICY = AttributionPolicy(metrics={"satisfaction": TERMS, "thumbs": TERMS})
LIVE = ("live_metrics", "live_enrichments", "live_rewards", "attribution_changes")
"""The stream's tables that a difference is planted in."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a stream that will not come."""
    monkeypatch.setattr(live, "WAIT_S", 0.3)


def _eventful(world: World) -> None:
    """Attributed, pending, mismatched, undone, edited and quarantined feedback, late and early."""
    world.decide(POLICY)
    world.live(30, right=0.8)
    first = world.say("live-digits-0001-0-1", "explicit_rating", value={"score": 4}, user_context={"user_id": "p_1"})
    world.say("live-digits-0001-0-1", "retraction", value={"retracts": first}, user_context={"user_id": "p_1"})
    second = world.say("live-digits-0001-0-2", "explicit_binary", value={"positive": True})
    world.say("live-digits-0001-0-2", "explicit_binary", value={"positive": False}, supersedes=second)
    world.say("live-digits-0001-0-3", model_version="another")
    world.say("live-digits-0001-0-4", "explicit_correction", value={"corrected_label": "banana"})
    world.say("never", received=DAY)
    world.say("late", received=DAY)
    world.infer("late", received=NEXT_DAY)
    _compared_and_split(world)


def _compared_and_split(world: World) -> None:
    """Votes that differ, outputs of two versions, segments of either side, and a metric of the project's own."""
    outputs = [{"output_id": v, "model_version": v, "content": "x"} for v in ("digits-0001", "digits-0002")]
    world.register("tone", "mean")
    world.infer("pair", outputs=outputs, segments={"tier": "pro"})
    for winner in ("digits-0001", "digits-0002", "digits-0002"):
        world.say("pair", "preference_pair", value={"preferred_output_id": winner}, user_context={"locale": "de"})
    world.say("pair", "reward", value={"reward": 1 / 3})
    world.say("pair", "reward", value={"reward": -2.5}, metric="tone")
    early = DAY - timedelta(hours=1)
    world.say("pair", "explicit_binary", at=early, received=NEXT_DAY, value={"positive": True})
    world.say("pair", "explicit_binary", at=early, received=NEXT_DAY, value={"positive": False})


@contextmanager
def _planted(world: World, statement: str) -> Iterator[None]:
    """The stream's tables as `statement` leaves them; afterwards they are as they were."""
    with world.database.engine.begin() as connection:
        for table in LIVE:
            connection.execute(text(f"CREATE TABLE kept_{table} AS TABLE {table}"))
        assert connection.execute(text(statement)).rowcount > 0
    yield
    with world.database.engine.begin() as connection:
        for table in LIVE:
            connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(text(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}"))
            connection.execute(text(f"DROP TABLE kept_{table}"))


def _compared(world: World, upto: int | None = None) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks say when they are run alone."""
    tags = {**span_tags(str(DAY.date()), str(NEXT_DAY.date())), UPTO_TAG: str(upto or world.head())}
    return checks(world.job("live").execute_in_process(instance=world.instance, tags=tags))


def _red(world: World) -> set[str]:
    return {name for name, found in _compared(world).items() if not found.passed}


def test_live_numbers_are_the_logs(world: World) -> None:
    """After all kinds of events the stream and the graph say the same of every row and every bucket."""
    _eventful(world)
    catch_up(world.database, world.log.settings)

    result = world.refresh(DAY, NEXT_DAY, checked=True)

    found = {name: checks(result)[name] for name in CHECKS}
    assert all(each.passed for each in found.values())
    assert found["live_attribution_is_the_logs"].metadata["compared"].value >= 36
    assert found["live_metrics_are_the_logs"].metadata["compared"].value >= 10
    assert found["live_rewards_are_the_logs"].metadata["compared"].value >= 30


RED = {
    "UPDATE live_metrics SET numerator = numerator + 0.000001 WHERE metric = 'accuracy'": CHECKS[1],
    "DELETE FROM live_metrics WHERE metric = 'volume'": CHECKS[1],
    """UPDATE live_enrichments SET answer = '{"confidence": 0.6, "entropy": 0.9, "margin": 0.3}'""": CHECKS[2],
    "DELETE FROM live_enrichments": CHECKS[2],
    "UPDATE live_rewards SET reward = 0.75 WHERE state = 'attributed'": CHECKS[3],
    """UPDATE attribution_changes SET after = after || '{"state": "pending"}' WHERE feedback_offset = 3""": CHECKS[0],
    "DELETE FROM attribution_changes WHERE feedback_offset = 3": CHECKS[0],
}


def test_a_planted_difference_turns_its_check_red(world: World) -> None:
    """One digit, one row, one state: each is found by its own check."""
    _eventful(world)
    catch_up(world.database, world.log.settings)
    assert world.refresh(DAY, NEXT_DAY, only="enriched_feedback").success
    catch_up(world.database, world.log.settings)  # what the run told of the quarantine is in the log too
    assert _red(world) == set()

    found = {}
    for planted in RED:
        with _planted(world, planted):
            found[planted] = _red(world)

    assert found == {planted: {check} for planted, check in RED.items()}


PLANTED = {
    "UPDATE live_metrics SET squares = squares + 0.000000000001 WHERE metric = 'tone'": 2,
    "UPDATE live_metrics SET segment = 'tier=free' WHERE segment = 'tier=pro' AND metric = 'volume'": 4,
    "UPDATE live_metrics SET numerator = 0 WHERE metric = 'disagreement' AND segment = ''": 1,
    "DELETE FROM live_metrics WHERE segment = 'against=digits-0002'": 1,
}


def test_every_planted_difference_of_the_metrics_is_counted(world: World) -> None:
    """In the squares, the segments, the votes and the comparisons: exactly the rows that were tampered with."""
    _eventful(world)
    catch_up(world.database, world.log.settings)
    engine, bucket_s = world.database.engine, world.log.settings.bucket_s
    found = {}
    for planted in PLANTED:
        with _planted(world, planted):
            found[planted] = reconcile_metrics(engine, bucket_s).differences

    assert found == PLANTED
    assert reconcile_metrics(engine, bucket_s).is_equal


def test_only_changes_up_to_the_runs_offset_are_folded(world: World) -> None:
    """A stream that is ahead of the run is compared as it was at the run's offset."""
    world.say("a")
    upto = world.head()
    world.infer("a")
    catch_up(world.database, world.log.settings)

    world.refresh(upto=upto, only="enriched_feedback")

    assert [row["state"] for row in world.rows("attributed_feedback", DAY)] == ["pending"]
    assert _compared(world, upto)["live_attribution_is_the_logs"].passed


def test_a_stream_that_stands_still_is_a_warning(world: World) -> None:
    """Where the stream has not come as far as the run nothing is compared, and the check says so."""
    world.live(5, right=1.0)
    catch_up(world.database, world.log.settings)
    world.say("live-digits-0001-0-1")

    world.refresh(only="enriched_feedback")

    found = _compared(world)["live_metrics_are_the_logs"]
    assert not found.passed
    assert found.severity.value == "WARN"
    assert found.metadata["note"].value == "the stream is at 10, not at 11"


@pytest.mark.chaos
def test_what_sources_answered_is_compared_too(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Context is in enriched_feedback as the stream gave it, before and after the answer; another one turns it red."""
    file = tmp_path / "sources.yaml"
    file.write_text("sources: {segments: {kind: identity_service, url: 'https://identity.example.com/'}}")
    monkeypatch.setenv("FEEDBACK_SOURCES_FILE", str(file))
    get_settings.cache_clear()
    try:
        context = {"user_id": "p_1"}
        world.infer("a")
        thumb = {"kind": "explicit_binary", "value": {"positive": True}}
        early = world.say("a", user_context=context, **thumb)
        world.answered("segments", "p_1", {"plan": "pro"})
        world.infer("b")
        late, nobody = world.say("b", user_context=context, **thumb), world.say("b", **thumb)
        catch_up(world.database, world.log.settings)
        result = world.refresh(checked=True)
        assert checks(result)[CHECKS[2]].passed
        assert world.rows("quarantined_feedback", DAY) == []
        rows = {row["feedback_id"]: row for row in world.rows("enriched_feedback", DAY)}
        assert [rows[name]["context"] for name in (early, late, nobody)] == ['{"segments":{"plan":"pro"}}'] * 2 + [None]
        assert ["segments" in rows[name]["missing"] for name in (early, late, nobody)] == [False, False, True]
        assert [row["version"] for row in world.rows("context_answers", DAY)] == ["1"]

        with world.database.engine.begin() as connection:
            connection.execute(
                text("""UPDATE live_enrichments SET late_answer = '{"segments": {"plan": "free"}}'
                                       WHERE late_answer IS NOT NULL""")
            )
        assert CHECKS[2] in _red(world)
    finally:
        get_settings.cache_clear()
