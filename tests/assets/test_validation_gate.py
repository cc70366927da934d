"""The validation gate: too many bad rows hold their day back, and a fix with a backfill brings every one of them in."""

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import dagster as dg

from feedback_assets import facts
from feedback_assets.sensors.new_events import retried
from feedback_loop.learning.policies.validation import ValidationPolicy
from tests.assets.world import DAY, World, checks

RULE = "negative_has_reason"


def thumbs(world: World, count: int, bad: int = 0) -> set[str]:
    """`count` thumbs down, each with a reason but for the last `bad`; the ids of those."""
    said = []
    for n in range(count):
        about = f"r-{world.head()}"
        world.infer(about)
        reason: dict[str, Any] = {} if n >= count - bad else {"reason_codes": ["wrong"]}
        said.append(world.say(about, "explicit_binary", value={"positive": False, **reason}))
    return set(said[count - bad :])


def test_five_percent_of_bad_rows_hold_their_day_back_until_they_are_mended(world: World) -> None:
    """The check blocks, the last good partition stays current, the quarantine names each row; a fix brings them in."""
    world.decide(ValidationPolicy(negative_has_reason="block"))
    thumbs(world, 20)
    assert world.refresh().success
    good = {row["feedback_id"] for row in world.rows("attributed_feedback")}
    thumbs(world, 170)
    bad = thumbs(world, 10, bad=10)

    blocked = world.refresh(checked=True)

    found = checks(blocked)[RULE]
    assert not blocked.success
    assert retried(world.instance.get_run_by_id(blocked.run_id)) is None
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert (found.metadata["rows that fail"].value, found.metadata["rows it applies to"].value) == (10, 200)
    assert all(name in found.metadata["failing rows"].value for name in bad)
    page = Path(urlparse(found.metadata["data docs"].value).path).read_text()
    assert "10 unexpected values found" in page and "reasons" in page
    assert {row["feedback_id"] for row in world.rows("attributed_feedback")} == good
    aside = {row["feedback_id"]: row["broken_rules"] for row in world.rows("quarantined_feedback")}
    assert aside == {name: [RULE] for name in bad}
    [quarantined] = world.facts(facts.FEEDBACK_QUARANTINED)
    assert (quarantined.body["rows"], quarantined.body["rules"]) == (10, [RULE])
    assert set(quarantined.body["feedback_ids"]) == bad
    assert not world.refresh(checked=True).success
    assert len(world.facts(facts.FEEDBACK_QUARANTINED)) == 1, "nothing new was set aside the second time"

    world.decide(ValidationPolicy(negative_has_reason="warn"))
    mended = world.refresh(DAY, checked=True)

    assert mended.success
    assert (checks(mended)[RULE].passed, checks(mended)[RULE].severity) == (False, dg.AssetCheckSeverity.WARN)
    rows = world.rows("attributed_feedback")
    assert len(rows) == 200 and bad <= {row["feedback_id"] for row in rows}
    assert world.rows("quarantined_feedback") == []
