"""Profiles: what an end user did on each day, counted so that the order of arrival does not matter.

Days and hours are of event time in UTC, numbered since 1970: a log that is imported at once is no burst. What somebody
gains by lying about their times is bounded by `budgets`, which goes by receipt.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.influence import actor, actor_of

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import IntegerValue, TimestampValue

DAY_S, HOUR_S = 86_400, 3_600
LOOK_BACK = 7
"""Days before the newest one that are looked at."""

Row = Mapping[str, Any]


class Day(NamedTuple):
    """One day of one actor: bit n of `hours` is set where something was said in hour n.

    `texts` are remarks long enough to be compared, `repeats` those that nearly equal an earlier one of anybody.
    """

    day: int
    events: int = 0
    hours: int = 0
    texts: int = 0
    repeats: int = 0

    @property
    def active_hours(self) -> int:
        """In how many hours of it something was said."""
        return self.hours.bit_count()

    @property
    def named(self) -> date:
        """The date."""
        return date(1970, 1, 1) + timedelta(days=self.day)


class Profile(NamedTuple):
    """An actor, by `influence.actor_of`, with the days on which they said something, the oldest first.

    Of `asked` statements that could be compared with what is known `right` agreed.
    """

    project_id: int
    actor: str
    days: tuple[Day, ...]
    asked: int = 0
    right: int = 0

    @property
    def hours(self) -> list[int]:
        """The hours since 1970 in which something was said, in order."""
        return [each.day * 24 + hour for each in self.days for hour in range(24) if each.hours >> hour & 1]


def day_of(moment: datetime | str) -> int:
    """The day since 1970, in UTC."""
    return int(_aware(moment).timestamp()) // DAY_S


def hour_of(moment: datetime | str) -> int:
    """The hour of its day, in UTC."""
    return int(_aware(moment).timestamp()) // HOUR_S % 24


def seconds_of(moment: "TimestampValue") -> "IntegerValue":
    """Whole seconds since 1970 of a column, whatever the session's time zone is."""
    import ibis

    return moment.delta(ibis.timestamp("1970-01-01T00:00:00+00:00"), unit="microsecond") // 1_000_000


def days_of(rows: Iterable[Row], repeats: Mapping[int, bool]) -> dict[tuple[int, str], dict[int, Day]]:
    """By project and actor, and by day, what these feedback rows (FEEDBACK_SCHEMA) add.

    `repeats` tells by offset of each text that was compared whether it repeats an earlier one.
    """
    found: dict[tuple[int, str], dict[int, Day]] = {}
    for row in rows:
        voter = actor_of(row)
        if voter is None:
            continue
        day = day_of(row["occurred_at"])
        days = found.setdefault((row["project_id"], voter), {})
        known = days.get(day, Day(day))
        offset = row["log_offset"]
        days[day] = Day(
            day,
            known.events + 1,
            known.hours | 1 << hour_of(row["occurred_at"]),
            known.texts + (offset in repeats),
            known.repeats + repeats.get(offset, False),
        )
    return found


def profiles(feedback: "ibis.Table", repeats: Mapping[int, bool]) -> list[Profile]:
    """Of every actor in a table (FEEDBACK_SCHEMA), by project and actor: `days_of` as an expression."""
    import ibis
    import pyarrow as pa

    columns = {"log_offset": pa.array(repeats, pa.int64()), "repeats": pa.array(repeats.values(), pa.bool_())}
    compared = ibis.memtable(pa.table(columns))
    table = feedback.mutate(voter=actor(feedback))
    table = table.filter(table.voter.notnull()).left_join(compared, "log_offset", rname="c_{name}")
    seconds = seconds_of(table.occurred_at)
    table = table.mutate(day=seconds // DAY_S, hour=ibis.literal(1) << (seconds // HOUR_S % 24))
    keys = ["project_id", "voter", "day"]
    days = table.group_by(keys).agg(
        events=table.count(),
        hours=table.hour.bit_or(),
        texts=table.repeats.count(),
        again=table.repeats.cast("int64").sum().fill_null(0),
    )
    found: dict[tuple[int, str], list[Day]] = {}
    for project_id, voter, *told in zip(*days.order_by(keys).to_pyarrow().to_pydict().values(), strict=True):
        found.setdefault((project_id, voter), []).append(Day(*told))
    return [Profile(*key, tuple(told)) for key, told in found.items()]


def _aware(moment: datetime | str) -> datetime:
    """The time; in a row that was read back it is text."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return found if found.tzinfo else found.replace(tzinfo=UTC)
