"""How far each end user is to be listened to: profiles over all days, what signals find of them, and the facts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feedback_assets import facts
from feedback_assets.resources import LogResource
from feedback_assets.trusting import verdicts
from feedback_ingest.clock import utc_now
from feedback_loop.learning.trust.budgets import in_company
from feedback_loop.learning.trust.profiles import Profile, profiles
from feedback_loop.learning.trust.reliability import agreements
from feedback_loop.learning.trust.sketches import remarks, repeats
from feedback_loop.learning.trust.standings import Verdict, last_of, may_decide
from feedback_loop.learning.trust_signals import Suspicion, decision, suspicions

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class UserTrust:
    """One end user: what they did, what the signals find, and the last decision about them, if any."""

    profile: Profile
    suspicions: tuple[Suspicion, ...]
    standing: Verdict | None

    @property
    def subject(self) -> str:
        """The pseudonym."""
        return self.profile.actor[2:]


def users(
    attributed: "ibis.Table", events: "ibis.Table", decided: Sequence[Verdict], upto_offset: int
) -> list[UserTrust]:
    """Every end user who is named, by project and pseudonym, as the log says up to an offset."""
    told, every = (table.filter(table.log_offset <= upto_offset) for table in (attributed, events))
    compared = {
        (row["project_id"], row["user_ref"]): (row["asked"], row["right"])
        for row in agreements(told).to_pyarrow().to_pylist()
    }
    last = last_of(decided)
    found, judged = [], in_company(every)
    for each in profiles(every, repeats(remarks(every))):
        if each.actor.startswith("u:"):
            key = each.project_id, each.actor[2:]
            asked, right = compared.get(key, (0, 0))
            whole = each._replace(asked=asked, right=right)
            suspected = tuple(suspicions(whole)) if each.project_id in judged else ()
            found.append(UserTrust(whole, suspected, last.get(key)))
    return found


def tell(log: LogResource, found: Iterable[UserTrust], upto_offset: int) -> list[Verdict]:
    """Appends what the signals find where it is news; every decision there is now."""
    with log.session() as session:
        for each in found:
            for one in each.suspicions:
                if may_decide(one.kind, each.standing):
                    name, body = decision(each.profile, one)
                    told = body | {"upto_offset": upto_offset}
                    facts.append(session, log.pepper, each.profile.project_id, one.kind, name, told, utc_now())
        return verdicts(session)


def rows(found: Iterable[UserTrust], decided: Mapping[tuple[int, str], Verdict], upto_offset: int) -> "pa.Table":
    """One row a user, with what stands of them now."""
    import pyarrow as pa

    schema = pa.schema(
        [
            pa.field("project_id", pa.int32()),
            pa.field("user_ref", pa.string()),
            pa.field("standing", pa.string()),
            pa.field("weight", pa.float64()),
            pa.field("reason", pa.string()),
            pa.field("signals", pa.list_(pa.string())),
            pa.field("events", pa.int64()),
            pa.field("active_hours", pa.int64()),
            pa.field("remarks", pa.int64()),
            pa.field("repeated", pa.int64()),
            pa.field("compared", pa.int64()),
            pa.field("agreed", pa.int64()),
            pa.field("upto_offset", pa.int64()),
        ]
    )
    return pa.Table.from_pylist([_row(each, decided, upto_offset) for each in found], schema)


def _row(each: UserTrust, decided: Mapping[tuple[int, str], Verdict], upto_offset: int) -> dict[str, Any]:
    profile, standing = each.profile, decided.get((each.profile.project_id, each.subject))
    return {
        "project_id": profile.project_id,
        "user_ref": each.subject,
        "standing": standing.kind.removeprefix("actor_") if standing else "heard",
        "weight": standing.weight if standing else 1.0,
        "reason": standing.reason if standing else None,
        "signals": [one.signal for one in each.suspicions],
        "events": sum(day.events for day in profile.days),
        "active_hours": len(profile.hours),
        "remarks": sum(day.texts for day in profile.days),
        "repeated": sum(day.repeats for day in profile.days),
        "compared": profile.asked,
        "agreed": profile.right,
        "upto_offset": upto_offset,
    }
