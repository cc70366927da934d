"""The stream adds speed and no meaning: where it never ran and its tables are gone, Dagster alone makes the same."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from feedback_assets import facts
from feedback_ingest.settings import Settings
from feedback_loop.learning.policies.attribution import AttributionPolicy, Terms
from feedback_loop.stream.consumers import collect
from feedback_loop.stream.process import catch_up
from tests.assets.world import DAY, NEXT_DAY, World

TABLES = (
    "validated_feedback",
    "quarantined_feedback",
    "attributed_feedback",
    "inference_rewards",
    "enriched_feedback",
    "feedback_metrics",
    "labeled_set",
)
LIVE = """
SELECT project_id, inference_request_id, metric, inference_offset, model_name, model_version, occurred_at, received_at,
       state, reward, votes, feedback_id FROM live_rewards ORDER BY inference_offset, metric
"""
DROP = "DROP TABLE {names} CASCADE; DELETE FROM consumer_positions"


def told(world: World) -> None:
    """Two days of answers, truths and thumbs: one taken back, one late, one orphaned, one that breaks a rule."""
    terms = Terms(wait_s=3_600, default_reward=0.0)
    world.decide(AttributionPolicy(orphan_s=60, metrics={"satisfaction": terms}))
    world.live(40, right=0.8)
    for n in range(4):
        world.infer(f"r{n}")
    liked = [world.say(f"r{n}", "explicit_binary", value={"positive": n > 0}, at=DAY + n * timedelta(minutes=25))
             for n in range(4)]  # fmt: skip
    world.say("r0", "retraction", value={"retracts": liked[0]})
    world.say("nobody", "explicit_binary", value={"positive": True})
    world.say("r1", "preference_pair", value={"preferred_output_id": "Z", "rejected_output_id": "A"})
    world.infer("the next day", at=NEXT_DAY)


def made(world: World, upto: int) -> dict[str, Any]:
    """Every table that follows from the log up to an offset, and the digest of a dataset of it."""
    assert world.refresh(DAY, NEXT_DAY, upto=upto).success
    assert world.job("dataset").execute_in_process(instance=world.instance, raise_on_error=False).success
    found: dict[str, Any] = {name: world.rows(name) for name in TABLES}
    return found | {"digest": world.facts(facts.DATASET_COMPILED)[-1].body["row_digest"]}


def test_dagster_alone_makes_the_same_tables_and_dataset(world: World, tmp_path: Path) -> None:
    """Once beside a stream; once with the stream's tables dropped and the files gone."""
    told(world)
    upto = world.head()
    settings = Settings(data_dir=tmp_path, database_url=world.database.url, pepper="pepper of the tests, long enough")
    catch_up(world.database, settings)
    before = made(world, upto)
    with world.database.engine.connect() as connection:
        live = [dict(row) for row in connection.execute(text(LIVE)).mappings()]
    assert live == sorted(before["inference_rewards"], key=lambda row: (row["inference_offset"], row["metric"]))

    names = ", ".join(str(table.__tablename__) for each in collect().values() for table in each.tables)
    with world.database.engine.begin() as connection:
        connection.execute(text(DROP.format(names=names)))
    alone = World(world.database, tmp_path / "elsewhere", world.instance)
    after = made(alone, upto)

    assert after == before
    assert {row["state"] for row in after["attributed_feedback"]} == {"attributed", "late", "orphaned"}
    assert {row["state"] for row in after["inference_rewards"]} == {"attributed", "defaulted", "pending"}
    assert [row["broken_rules"] for row in after["quarantined_feedback"]] == [["compared_outputs_exist"]]
