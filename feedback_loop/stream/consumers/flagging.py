"""Flagging: answers that a review policy wants looked at, told to whoever opens items for people."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_ingest.log import LogRow
from feedback_loop.learning.enrichers import enrich
from feedback_loop.learning.familiarity import version_of
from feedback_loop.learning.metrics import vote_of
from feedback_loop.learning.review_policies import ACTIVE, SAFETY, STANDARD, PlacedPolicy
from feedback_loop.learning.review_reasons import Item, collect
from feedback_loop.learning.reviewing import urgency
from feedback_loop.stream.consumers._base import Batch, Change, Consumer
from feedback_loop.stream.consumers._metric_tables import told_apart
from feedback_loop.stream.flagging import pools
from feedback_loop.stream.flagging.book import POLICIES, book
from feedback_loop.stream.flagging.flags import CHANNEL
from feedback_loop.stream.flagging.tables import ReviewFlag
from feedback_loop.stream.samples.keeping import samples_of
from feedback_loop.stream.writing import json_text, pairs

NEW_DAY = "new_day"
OCCASIONS = ("drift_detected", "drift_signalled", "bias_detected", "alert_raised")
# The first flag of an answer by a policy stands, however the log is cut into batches.
ADD = "INSERT INTO review_flags SELECT * FROM json_populate_recordset(NULL::review_flags, %s) ON CONFLICT DO NOTHING"
BEFORE = "SELECT received_at FROM staging.known_events WHERE log_offset = %s"
VOTES = """
SELECT v.project_id, v.inference_request_id, v.question, v.answer, v.votes
FROM unnest(%s::int[], %s::text[]) AS k(p, i)
JOIN live_votes v ON v.project_id = k.p AND v.inference_request_id = k.i
"""
Votes = dict[tuple[int, str], Counter[tuple[str, str]]]


class Flag(NamedTuple):
    """One answer that one policy wants looked at, and the event that had it so."""

    placed: PlacedPolicy
    item: Item
    why: str
    cause: LogRow
    disagreement: float = 0.0


class Flagging(Consumer):
    """Flags by the policies that were in force at each event: answers by themselves, by what is said, in batches."""

    name: ClassVar[str] = "flagging"
    after: ClassVar[tuple[str, ...]] = ("enrichment", "rolling_metrics")
    tables: ClassVar[tuple[type[SQLModel], ...]] = (ReviewFlag,)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Writes the flags and wakes whoever opens items."""
        told = [event.row for event in batch.events if event.feedback is None and event.inference is None]
        POLICIES.learn(cursor, told)
        known = _Policies(book(POLICIES.upto(cursor, batch.last_offset)))
        found = [
            *_of_answers(batch, known, cursor),
            *_of_feedback(batch, known, cursor),
            *_of_occasions(batch, known, cursor),
        ]
        if found:
            found.sort(key=lambda flag: flag.cause.log_offset)
            cursor.execute(ADD, [json_text([_row(flag) for flag in found])])
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


class _Policies:
    """The policies of every project, by what they look at."""

    def __init__(self, known: Mapping[int, Sequence[PlacedPolicy]]) -> None:
        self._known = known
        self._looking: dict[tuple[int, str], list[PlacedPolicy]] = {}
        self.has_own = bool(known)

    def looking_at(self, project_id: int, what: str) -> list[PlacedPolicy]:
        """Those that look at `inference`s, at `feedback`, or in batches (ACTIVE)."""
        if not self.has_own:
            return list(STANDARD) if what == "feedback" else []
        key = project_id, what
        if key not in self._looking:
            self._looking[key] = [each for each in self._known.get(project_id, STANDARD) if _looks_at(each) == what]
        return self._looking[key]


def _looks_at(placed: PlacedPolicy) -> str:
    return ACTIVE if placed.policy.reason == ACTIVE else collect()[placed.policy.reason].looks_at


def _of_answers(batch: Batch, known: _Policies, cursor: Cursor[Any]) -> Iterator[Flag]:
    looked = [
        (event.row, event.inference, looking)
        for event in (batch.events if known.has_own else ())
        if event.inference is not None and (looking := _looking(event.row, event.inference, known))
    ]
    samples = samples_of(cursor, [answer for _, answer, _ in looked])
    for row, answer, looking in looked:
        item = Item(answer, enrich(answer, samples.get(version_of(answer))))
        for placed in looking:
            why = placed.policy.why(item)
            if why is not None:
                yield Flag(placed, item, why, row)


def _looking(row: LogRow, answer: Mapping[str, Any], known: _Policies) -> list[PlacedPolicy]:
    """The policies in force at an answer that it is one for."""
    mine = known.looking_at(row.project_id, "inference")
    return [each for each in mine if each.counts_at(row.log_offset) and each.policy.covers(answer)]


def _of_feedback(batch: Batch, known: _Policies, cursor: Cursor[Any]) -> Iterator[Flag]:
    """By the order of the log, with the votes as they stood after each change."""
    looked = [change for change in batch.changes if change.inference is not None and _may_matter(change, known)]
    if not looked:
        return
    causes = {event.row.log_offset: event.row for event in batch.events}
    votes = _votes_before(cursor, batch.changes, looked)
    last = {id(change) for change in looked}
    for change in batch.changes:
        cast = votes.get((change.after["project_id"], change.after["inference_request_id"]))
        if cast is not None:
            _count(cast, change, 1)
        if id(change) in last and not change.after["is_undone"]:
            yield from _said(change, cast, known, causes[change.cause_offset])


def _said(change: Change, cast: Counter[tuple[str, str]] | None, known: _Policies, cause: LogRow) -> Iterator[Flag]:
    assert change.inference is not None, "only what is said of a known answer is looked at"
    by_question: defaultdict[str, list[int]] = defaultdict(list)
    for (question, _), count in (cast or {}).items():
        by_question[question].append(count)
    item = Item(change.inference, {}, change.after, [by_question[name] for name in sorted(by_question)])
    apart = collect()["disagreement"]().measured(item) or 0.0
    for placed in known.looking_at(change.after["project_id"], "feedback"):
        if placed.counts_at(change.after["log_offset"]):
            why = placed.policy.why(item)
            if why is not None:
                yield Flag(placed, item, why, cause, apart)


def _may_matter(change: Change, known: _Policies) -> bool:
    """Reports of harm are looked at by all; anything else only where somebody does more."""
    is_harm = change.after["feedback_type"] == "safety_flag"
    looking = known.looking_at(change.after["project_id"], "feedback")
    return any(is_harm or each.policy.reason != SAFETY.reason for each in looking)


def _votes_before(cursor: Cursor[Any], changes: Iterable[Change], looked: Iterable[Change]) -> Votes:
    """The votes on the answers that are looked at, as they stood before the batch: those now, less what it changed."""
    keys = {(change.after["project_id"], change.after["inference_request_id"]) for change in looked}
    votes: Votes = {key: Counter() for key in keys}
    for project_id, about, question, answer, count in cursor.execute(VOTES, pairs(keys)).fetchall():
        votes[project_id, about][question, answer] = count
    for change in changes:
        cast = votes.get((change.after["project_id"], change.after["inference_request_id"]))
        if cast is not None:
            _count(cast, change, -1)
    return votes


def _count(cast: Counter[tuple[str, str]], change: Change, times: int) -> None:
    for state, sign in ((change.before, -times), (change.after, times)):
        vote = vote_of(state) if state is not None else None
        if vote is not None:
            cast[vote.question, told_apart(vote.answer)] += sign


def _of_occasions(batch: Batch, known: _Policies, cursor: Cursor[Any]) -> Iterator[Flag]:
    """The batches that facts ask for, and those of each new day."""
    if not known.has_own:
        return
    seen: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    before = cursor.execute(BEFORE, [batch.first_offset - 1]).fetchone()
    day = before[0].date() if before is not None else None
    for event in batch.events:
        row = event.row
        is_new = day is not None and row.received_at.date() > day
        day = row.received_at.date() if day is None or is_new else day
        told = ([NEW_DAY] if is_new else []) + ([row.kind] if row.kind in OCCASIONS else [])
        for placed in known.looking_at(row.project_id, ACTIVE) if told else ():
            mine = seen[row.project_id, placed.policy.policy_id]
            for flag in _chosen(batch, placed, row, told, cursor, mine) if placed.counts_at(row.log_offset) else ():
                mine.add(flag.item.inference["inference_request_id"])
                yield flag


def _chosen(
    batch: Batch, placed: PlacedPolicy, row: LogRow, told: Sequence[str], cursor: Cursor[Any], besides: set[str]
) -> Iterator[Flag]:
    policy = placed.policy
    occasion = next((name for name in told if name in (policy.occasions or ())), None)
    model_name = row.body.get("model_name") if occasion != NEW_DAY else None
    if occasion is None or (policy.model_name and model_name and policy.model_name != model_name):
        return
    assert batch.session is not None, "a batch of the stream has its transaction"
    found = pools.Occasion(row.project_id, model_name, row.log_offset)
    for answer in pools.batch(cursor, batch.session, policy, found, besides):
        why = f"policy {policy.policy_id}: unsure and unlike the others, chosen at {occasion}"
        yield Flag(placed, Item(answer, enrich(answer)), why, row)


def _row(flag: Flag) -> dict[str, Any]:
    policy, answer, said = flag.placed.policy, flag.item.inference, flag.item.feedback
    severity = collect()["severity"]().measured(flag.item) or 0
    return {
        "project_id": flag.cause.project_id,
        "policy_id": policy.policy_id,
        "inference_request_id": answer["inference_request_id"],
        "policy_version": flag.placed.version,
        "queue_id": policy.queue_id,
        "feedback_id": said["feedback_id"] if said is not None else None,
        "reason": flag.why,
        "share": policy.share,
        "per_day": policy.per_day,
        "priority": urgency(severity, flag.disagreement, answer["confidence"]),
        "flagged_offset": flag.cause.log_offset,
        "flagged_at": flag.cause.received_at,
    }
