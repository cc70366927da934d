"""That feedback was set aside, as facts: one a day of receipt where a run sets aside what none did before it."""

from typing import TYPE_CHECKING, Any

from feedback_assets import facts
from feedback_assets.lake import executed
from feedback_assets.resources import LogResource
from feedback_ingest.clock import utc_now

if TYPE_CHECKING:
    import ibis

MOST_NAMED = 20
"""So many feedback ids are told, the newest ones."""


def tell_set_aside(log: LogResource, aside: "ibis.Table", upto_offset: int) -> None:
    """Appends `feedback_quarantined` for each project and day of `aside` (FEEDBACK_SCHEMA with `broken_rules`)."""
    days = _days(aside)
    if not days:
        return
    with log.session() as session:
        known = facts.read(session, (facts.FEEDBACK_QUARANTINED,))
        last = {(fact.project_id, fact.body["day"]): fact.body["last_offset"] for fact in known}
        for each in days:
            project_id, day = each.pop("project_id"), each["day"]
            if each["last_offset"] > last.get((project_id, day), 0):
                named = f"{day}-{upto_offset}"
                told = {**each, "reason": f"{each['rows']} of {day} break {', '.join(each['rules'])}"}
                facts.append(session, log.pepper, project_id, facts.FEEDBACK_QUARANTINED, named, told, utc_now())


def _days(aside: "ibis.Table") -> list[dict[str, Any]]:
    """Of each project and day: rows, last_offset, rules by name, and the newest ids."""
    keys = ["project_id", "day"]
    placed = aside.mutate(day=aside.received_at.date().cast("string"))
    rules = placed.select(*keys, rule=placed.broken_rules.unnest()).group_by(keys)
    rules = rules.agg(rules=lambda table: table.rule.collect(distinct=True).sort())
    found = placed.group_by(keys).agg(
        rows=placed.count(),
        last_offset=placed.log_offset.max(),
        feedback_ids=placed.feedback_id.collect(order_by=placed.log_offset.desc())[:MOST_NAMED],
    )
    told: list[dict[str, Any]] = executed(found.inner_join(rules, keys).order_by(keys)).read_all().to_pylist()
    return told
