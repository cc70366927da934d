"""What the UI is told of trust."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_assets.presentation import bar_plot, markdown_table, sample

if TYPE_CHECKING:
    import ibis

TOLD = ("user_ref", "standing", "weight", "reason", "signals", "events", "active_hours", "compared", "agreed")
TENTHS = 10


def trust_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """Who is not listened to in full and why, what share of users and of events that is, and how users agree."""
    unheard = rows.filter((rows.standing != "heard") | (rows.signals.length() > 0)).order_by(rows.events.desc())
    return {
        "users": int(rows.count().to_pyarrow().as_py()),
        "not heard in full": markdown_table(sample(unheard, *TOLD), empty="everybody is"),
        **_plots(rows.select("standing", "events", "compared", "agreed").to_pyarrow().to_pylist()),
    }


def _plots(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        return {}
    people, events, tenths = Counter[str](), Counter[str](), Counter[int]()
    for row in rows:
        people[row["standing"]] += 1
        events[row["standing"]] += row["events"]
        if row["compared"]:
            tenths[min(int(row["agreed"] / row["compared"] * TENTHS), TENTHS - 1)] += 1
    shares = {
        name: {standing: counts[standing] / counts.total() for standing in sorted(people)}
        for name, counts in (("users", people), ("events", events))
    }
    agreeing = {f"{place / TENTHS:.1f}": tenths[place] / (tenths.total() or 1) for place in range(TENTHS)}
    return {
        "shares by standing": bar_plot("shares of users and of events, by how they stand", shares),
        "agreement": bar_plot("share of users by how often they agree with what is known", {"users": agreeing}),
    }
