"""Which days new events touch, and in which order those days are refreshed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlmodel import Session

from feedback_assets.policies import newest_receipt, waits_upto
from feedback_ingest.sealed import segments
from feedback_loop.learning.metrics import VOTING
from feedback_loop.learning.policies.attribution import DEFAULT, Waits

# A day changes when something was received on it. An earlier day changes too when its feedback gets its inference, or
# is taken back, on a later one, and when what was answered on it is judged again: judgements are compared.
CHANGED = """
SELECT DISTINCT (received_at AT TIME ZONE 'UTC')::date AS day FROM staging.known_events
WHERE log_offset > :after AND log_offset <= :upto AND kind IN ('feedback', 'inference', 'context_answered')
"""
ANSWERED = """
SELECT DISTINCT (f.received_at AT TIME ZONE 'UTC')::date AS day
FROM staging.known_events n JOIN staging.known_events f
  ON f.project_id = n.project_id AND f.inference_request_id = n.inference_request_id AND f.kind = 'feedback'
 AND f.received_at < date_trunc('day', n.received_at, 'UTC')
WHERE n.log_offset > :after AND n.log_offset <= :upto AND n.kind = 'inference'
UNION
-- Or is told about by a source outside the log.
SELECT DISTINCT (f.received_at AT TIME ZONE 'UTC')::date AS day
FROM staging.feedback_events n
CROSS JOIN LATERAL jsonb_path_query(n.body::jsonb, '$.answers[*].asked_offset') AS a(asked_offset)
JOIN staging.known_events f
  ON f.log_offset = a.asked_offset::bigint AND f.received_at < date_trunc('day', n.received_at, 'UTC')
WHERE n.log_offset > :after AND n.log_offset <= :upto AND n.kind = 'context_answered'
"""
UNDONE = """
SELECT DISTINCT (f.received_at AT TIME ZONE 'UTC')::date AS day
FROM staging.feedback_events n
JOIN staging.event_keys k ON k.project_id = n.project_id AND k.kind = 'feedback'
 AND k.id = lower(CASE n.feedback_type WHEN 'retraction' THEN n.feedback_value ->> 'retracts'
                  ELSE n.body::jsonb ->> 'supersedes' END)
JOIN staging.known_events f
  ON f.log_offset = k.log_offset AND f.received_at < date_trunc('day', n.received_at, 'UTC')
WHERE n.log_offset > :after AND n.log_offset <= :upto AND n.kind = 'feedback'
  AND (n.feedback_type = 'retraction' OR n.body LIKE '%"supersedes"%')
"""
JUDGED = """
SELECT DISTINCT (i.received_at AT TIME ZONE 'UTC')::date AS day
FROM staging.feedback_events n
JOIN staging.known_events i
  ON i.project_id = n.project_id AND i.inference_request_id = n.inference_request_id AND i.kind = 'inference'
 AND i.received_at < date_trunc('day', n.received_at, 'UTC')
WHERE n.log_offset > :after AND n.log_offset <= :upto AND n.kind = 'feedback'
  AND (n.feedback_type = 'retraction' OR n.feedback_type = ANY(:voting))
  AND (EXISTS (
    SELECT FROM staging.feedback_events o
    WHERE o.project_id = n.project_id AND o.inference_request_id = n.inference_request_id AND o.kind = 'feedback'
      AND o.feedback_type = ANY(:voting) AND o.log_offset < n.log_offset)
  OR EXISTS (
    SELECT FROM staging.sealed_events o
    WHERE o.project_id = n.project_id AND o.inference_request_id = n.inference_request_id AND o.kind = 'feedback'))
"""
# A wait ends by the passing of time alone: what fell due meanwhile lies as far back as it was waited.
ORPHANED = """
SELECT DISTINCT (f.received_at AT TIME ZONE 'UTC')::date AS day FROM staging.known_events f
WHERE f.kind = 'feedback' AND f.received_at > :since AND f.received_at <= :until
  AND NOT EXISTS (
    SELECT FROM staging.event_keys k
    WHERE k.project_id = f.project_id AND k.kind = 'inference' AND k.id = f.inference_request_id)
"""
DEFAULTED = """
SELECT DISTINCT (received_at AT TIME ZONE 'UTC')::date AS day FROM staging.known_events
WHERE kind = 'inference' AND project_id = :project AND received_at > :since AND received_at <= :until
"""
REWARDED = """
SELECT DISTINCT (i.received_at AT TIME ZONE 'UTC')::date AS day
FROM staging.known_events n
JOIN staging.known_events i
  ON i.project_id = n.project_id AND i.inference_request_id = n.inference_request_id AND i.kind = 'inference'
 AND i.received_at < date_trunc('day', n.received_at, 'UTC')
WHERE n.log_offset > :after AND n.log_offset <= :upto AND n.kind = 'feedback' AND n.project_id = ANY(:projects)
"""
EARLIER = """
SELECT DISTINCT (received_at AT TIME ZONE 'UTC')::date AS day FROM staging.known_events
WHERE log_offset <= :after AND kind = 'feedback'
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Days that one run refreshes together, both ends included."""

    first: str
    last: str


def changed_days(session: Session, after: int, upto_offset: int) -> tuple[list[date], list[date]]:
    """The days on which something was received in (after, upto_offset], and the earlier days that this changes."""
    spans = {"after": after, "upto": upto_offset}
    received = {row.day for row in session.execute(text(CHANGED), spans)}
    reached = {row.day for query in (ANSWERED, UNDONE) for row in session.execute(text(query), spans)}
    waits = waits_upto(session, upto_offset)
    reached |= _days_due(session, newest_receipt(session, after), newest_receipt(session, upto_offset), waits)
    if waits:
        reached |= {row.day for row in session.execute(text(REWARDED), {**spans, "projects": list(waits)})}
    reached |= {row.day for row in session.execute(text(JUDGED), {**spans, "voting": sorted(VOTING)})}
    if segments.through(session) > after:  # what it says is in files: rather every earlier day than one too few
        reached |= {row.day for row in session.execute(text(EARLIER), spans)}
    return sorted(received), sorted(reached)


def _days_due(session: Session, before: datetime, now: datetime, waits: Waits) -> set[date]:
    """The days of what was orphaned or defaulted while the log's time went from `before` to `now`."""
    policies = [(project_id, each.policy) for project_id, known in waits.items() for each in known]
    orphaned = {policy.orphan_s for policy in (DEFAULT, *(policy for _, policy in policies))}
    defaulted = {
        (project_id, terms.wait_s)
        for project_id, policy in policies
        for terms in policy.metrics.values()
        if terms.default_reward is not None and terms.wait_s is not None
    }
    looks: list[tuple[str, dict[str, int], int]] = [(ORPHANED, {}, wait_s) for wait_s in orphaned]
    looks += [(DEFAULTED, {"project": project_id}, wait_s) for project_id, wait_s in defaulted]
    found: set[date] = set()
    for query, given, wait_s in looks:
        wait = timedelta(seconds=wait_s)
        spans = {**given, "since": before - wait, "until": now - wait}
        found |= {row.day for row in session.execute(text(query), spans)}
    return found


def planned(received: Sequence[date], reached: Sequence[date], first_day: date) -> list[Span]:
    """The runs that bring the changed days up to date, in order.

    Days in a row are one run, which knows all their inferences. Else each day is one: first those that received
    something, so that their inferences are there, then the earlier ones that need these. Days before `first_day` have
    no partition and are left out.
    """
    days = sorted({day for day in (*received, *reached) if day >= first_day})
    if days and days[-1] - days[0] == timedelta(days=len(days) - 1):
        return [Span(str(days[0]), str(days[-1]))]
    return [Span(str(day), str(day)) for day in (*_known(received, first_day), *_known(reached, first_day))]


def _known(days: Iterable[date], first_day: date) -> list[date]:
    return [day for day in days if day >= first_day]
