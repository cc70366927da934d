"""Aggregates: the rolling metrics as series of windows, each value with what it rests on and how sure it is."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.errors import Fault, ValidationFailed
from feedback_loop.learning.bradley_terry import Record, Strength, ranking
from feedback_loop.learning.metrics import KINDS, Metric, collect, effective, interval_of, meaning_of
from feedback_loop.learning.segments import AGAINST, ALL, key_of
from feedback_loop.learning.windows import Bucket, Window, floor, sessions, sliding, tumbling
from feedback_loop.stream.consumers._metric_tables import told_apart

WINDOWS = 60
"""So many windows are told where nobody says since when."""
MOST_WINDOWS = 2_000
MOST_BUCKETS = 50_000
RANKED = 500
"""Versions in one ranking, at most."""

# A condition stands in the query only where it is asked for, so that each is found by key.
OF_MODEL = "FROM live_metrics m WHERE m.project_id = :project AND m.model_name = :model"
IN_SESSIONS = "FROM live_sessions m WHERE m.project_id = :project AND m.model_name = :model"
OF_SESSION = " AND m.session_id = :session"
OF_VERSION, OF_METRIC = " AND m.model_version = :version", " AND m.metric = :metric"
OF_SEGMENT, OF_SEGMENTS = " AND m.segment = :segment", " AND starts_with(m.segment, :segment)"
SPAN = " AND m.bucket_start >= :since AND m.bucket_start < :until"
NEWEST = "SELECT max(m.bucket_start) {of_model}"
# Sums are exact, so what is added here need not be added by whoever makes the windows.
BUCKETS = """
SELECT m.model_version, m.metric, m.{split},
       date_bin(make_interval(secs => :coarse_s), m.bucket_start, TIMESTAMPTZ 'epoch') AS start,
       sum(m.numerator), sum(m.denominator), sum(m.squares), sum(m.weights)
{where} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT :most
"""
KIND = "SELECT metric, kind FROM live_registrations WHERE project_id = :project"
DUELS = """
SELECT m.model_version, m.segment, sum(m.numerator), sum(m.denominator), sum(m.weights)
{where} GROUP BY 1, 2 ORDER BY 1, 2 LIMIT :most
"""
POSITION = text("SELECT coalesce(max(log_offset), 0) FROM consumer_positions WHERE name = 'rolling_metrics'")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; None: every version, every metric. `until` is by default the end of the newest bucket."""

    project_id: int
    model_name: str
    model_version: str | None = None
    metric: str | None = None
    segment: str = ALL
    """`name=value`; `name=*` for each value of the name."""
    window: Literal["tumbling", "sliding", "session"] = "tumbling"
    window_s: int = 60
    step_s: int = 10
    """How far apart the windows end, where they are `sliding`."""
    gap_s: int = 1_800
    since: datetime | None = None
    until: datetime | None = None
    session_id: str | None = None
    """One session, or `*` for each, where the windows are `session`; None: all that is said, whoever says it."""

    @property
    def split(self) -> str:
        """By what its series differ beside version and metric."""
        return "segment" if self.session_id is None else "session_id"

    @property
    def of_model(self) -> str:
        """Where its buckets stand."""
        return OF_MODEL if self.session_id is None else IN_SESSIONS

    @property
    def apart_s(self) -> int:
        """Seconds from one window to the next; those of sessions are not known before."""
        return self.window_s if self.window == "tumbling" else self.step_s

    def faults(self, bucket_s: int) -> list[Fault]:
        """What is wrong, by the parameter: windows are made of whole buckets, and their number is bounded."""
        found = []
        if self.session_id is not None:
            found += [Fault("/session_id", "only-with-session")] if self.window != "session" else []
            found += [Fault("/segment", "only-without-session-id")] if self.segment else []
        if self.window == "session":
            found += [Fault("/gap_s", f"multiple-of-{bucket_s}")] if self.gap_s % bucket_s else []
        elif self.apart_s % bucket_s:
            found.append(Fault("/window_s" if self.window == "tumbling" else "/step_s", f"multiple-of-{bucket_s}"))
        elif self.window_s % self.apart_s:
            found.append(Fault("/window_s", "multiple-of-step_s"))
        if self.since is not None and self.until is not None:
            span_s = (self.until - self.since).total_seconds()
            if span_s <= 0 or (self.window != "session" and span_s > MOST_WINDOWS * self.apart_s):
                found.append(Fault("/from", "out-of-range"))
        return found


class Aggregates(NamedTuple):
    """The answer: the span that was looked at, the series, what each metric means, and who is stronger than whom."""

    since: datetime | None
    until: datetime | None
    series: list[dict[str, Any]]
    metrics: dict[str, dict[str, str]]
    ranking: list[dict[str, Any]] | None


def aggregates(session: Session, wanted: Wanted, bucket_s: int) -> Aggregates:
    """The series of `wanted`, by version, metric and segment; raises ValidationFailed where too much is asked for."""
    faults = wanted.faults(bucket_s)
    if faults:
        raise ValidationFailed(faults=tuple(faults))
    since, until = _span(session, wanted, bucket_s)
    if since is None or until is None:
        return Aggregates(since, until, [], {}, [] if wanted.metric == "win_rate" else None)
    kinds = _kinds(session, wanted.project_id)
    rows = _buckets(session, wanted, since, until, bucket_s)
    series = [
        {
            "model_version": version,
            "metric": metric,
            wanted.split: part,
            "windows": [
                _told(window, kinds.get(metric)) for window in _windows(wanted, buckets, since, until, bucket_s)
            ],
        }
        for (version, metric, part), buckets in _by_series(rows)
    ]
    names = {metric for _, metric, *_ in rows}
    means = {name: meaning_of(kinds[name]) for name in sorted(names) if name in kinds}
    ranked = _ranking(session, wanted, since, until) if wanted.metric == "win_rate" else None
    return Aggregates(since, until, series, means, ranked)


def position(session: Session) -> int:
    """Up to which offset the aggregates speak of the log."""
    return int(session.execute(POSITION).scalar_one())


def _span(session: Session, wanted: Wanted, bucket_s: int) -> tuple[datetime | None, datetime | None]:
    until = wanted.until
    if until is None:
        newest = session.execute(text(NEWEST.format(of_model=wanted.of_model)), _values(wanted)).scalar()
        if newest is None:
            return wanted.since, None
        until = newest + timedelta(seconds=bucket_s)
    if wanted.since is not None:
        # Counted back from an end that moves, so the bound on windows holds there, too.
        earliest = until - timedelta(seconds=MOST_WINDOWS * wanted.apart_s)
        return (wanted.since if wanted.window == "session" else max(wanted.since, earliest)), until
    if wanted.window == "session":
        return until - timedelta(days=1), until
    last = until - timedelta(microseconds=1)
    return floor(last, wanted.apart_s) - timedelta(seconds=(WINDOWS - 1) * wanted.apart_s), until


def _buckets(session: Session, wanted: Wanted, since: datetime, until: datetime, bucket_s: int) -> Sequence[Any]:
    reach_s = {"tumbling": 0, "sliding": wanted.window_s, "session": 0}[wanted.window]
    coarse_s = bucket_s if wanted.window == "session" else wanted.apart_s
    values = {
        **_values(wanted),
        "coarse_s": coarse_s,
        "since": floor(since, coarse_s) - timedelta(seconds=reach_s),
        "until": until if wanted.window == "session" else _ceiling(until, coarse_s),
        "most": MOST_BUCKETS + 1,
    }
    rows = session.execute(text(BUCKETS.format(split=wanted.split, where=_where(wanted) + SPAN)), values).all()
    if len(rows) > MOST_BUCKETS:
        raise ValidationFailed(
            "That is more than can be told at once; ask for one metric, one version, or a shorter span.",
            faults=(Fault("/from", "out-of-range"),),
        )
    return rows


def _where(wanted: Wanted) -> str:
    of_version = OF_VERSION if wanted.model_version is not None else ""
    of_metric = OF_METRIC if wanted.metric is not None else ""
    if wanted.session_id is not None:
        return IN_SESSIONS + of_version + of_metric + (OF_SESSION if wanted.session_id != "*" else "")
    return OF_MODEL + of_version + of_metric + (OF_SEGMENTS if wanted.segment.endswith("=*") else OF_SEGMENT)


def _values(wanted: Wanted) -> dict[str, Any]:
    return {
        "project": wanted.project_id,
        "model": wanted.model_name,
        "version": wanted.model_version,
        "metric": wanted.metric,
        "session": told_apart(wanted.session_id or ""),
        "segment": wanted.segment.removesuffix("*") if wanted.segment.endswith("=*") else wanted.segment,
    }


def _by_series(rows: Iterable[Any]) -> Iterable[tuple[tuple[str, str, str], list[Bucket]]]:
    for key, found in groupby(rows, itemgetter(0, 1, 2)):
        yield key, [Bucket(*row[3:]) for row in found]


def _windows(
    wanted: Wanted, buckets: list[Bucket], since: datetime, until: datetime, bucket_s: int
) -> Iterable[Window]:
    if wanted.window == "session":
        return sessions(buckets, bucket_s, wanted.gap_s)
    if wanted.window == "tumbling":
        return tumbling(buckets, wanted.window_s)
    last = _ceiling(until, wanted.step_s)
    return (each for each in sliding(buckets, wanted.window_s, wanted.step_s) if since < each.end <= last)


def _told(window: Window, metric: Metric | None) -> dict[str, Any]:
    up, down, weights = window.numerator, window.denominator, window.weights
    bounds = interval_of(metric.interval, up, down, window.squares, weights) if metric else None
    return {
        "start": window.start,
        "end": window.end,
        "value": float(up / down) if down else None,
        "numerator": float(up),
        "denominator": float(down),
        "samples": int(effective(down, weights)),
        "low": bounds[0] if bounds else None,
        "high": bounds[1] if bounds else None,
    }


def _kinds(session: Session, project_id: int) -> Mapping[str, Metric]:
    """Every metric by name, those of the project's own as what their kind is."""
    own = session.execute(text(KIND), {"project": project_id}).all()
    return {
        **{name: KINDS[kind] for name, kind in own if kind in KINDS},
        **{name: metric() for name, metric in collect().items()},
    }


def _ranking(session: Session, wanted: Wanted, since: datetime, until: datetime) -> list[dict[str, Any]]:
    prefix = key_of(AGAINST, "")
    values = {**_values(wanted), "segment": prefix, "since": since, "until": until, "most": RANKED * RANKED}
    rows = session.execute(text(DUELS.format(where=OF_MODEL + OF_METRIC + OF_SEGMENTS + SPAN)), values).all()
    records = [
        Record(name, segment.removeprefix(prefix), float(won * of / weights), float(effective(of, weights)))
        for name, segment, won, of, weights in rows
        if of
    ]
    counts: defaultdict[str, float] = defaultdict(float)
    for each in records:
        counts[each.version] += each.comparisons
    known = set(sorted(counts, key=lambda name: (-counts[name], name))[:RANKED])
    found: list[Strength] = ranking(each for each in records if {each.version, each.against} <= known)
    return [each._asdict() for each in found]


def _ceiling(moment: datetime, step_s: int) -> datetime:
    down = floor(moment, step_s)
    return down if down == moment else down + timedelta(seconds=step_s)
