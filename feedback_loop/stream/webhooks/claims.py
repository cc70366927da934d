"""Claims: which messages are due, taken under a lease by one of many deliverers; and what became of each attempt.

An endpoint's row is locked first, always, so that two deliverers count its places one after the other; a lease that is
not renewed ends by itself, so what a killed deliverer had taken is taken again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.log import APPEND, Fact, Item
from feedback_loop.learning.retries import Health, Next
from feedback_loop.stream.webhooks.sending import Sent

LEASE = timedelta(seconds=6)

OPEN = """
SELECT endpoint_id, failures FROM webhook_endpoints e
WHERE disabled_at IS NULL AND (paused_until IS NULL OR paused_until <= $1)
  AND EXISTS (SELECT FROM webhook_messages m
              WHERE m.endpoint_id = e.endpoint_id AND m.state = 'waiting' AND m.due_at <= $1
                AND (m.leased_until IS NULL OR m.leased_until <= $1))
FOR NO KEY UPDATE SKIP LOCKED
"""
TAKE = """
WITH places AS (
    SELECT e.endpoint_id, greatest(0, e.places - (
        SELECT count(*) FROM webhook_messages f WHERE f.endpoint_id = e.endpoint_id AND f.leased_until > $1)) AS free
    FROM unnest($2::text[], $3::int[]) AS e(endpoint_id, places)
), due AS (
    SELECT d.message_id, d.endpoint_id FROM places CROSS JOIN LATERAL (
        SELECT m.message_id, m.endpoint_id FROM webhook_messages m
        WHERE m.endpoint_id = places.endpoint_id AND m.state = 'waiting' AND m.due_at <= $1
          AND (m.leased_until IS NULL OR m.leased_until <= $1)
        ORDER BY m.due_at, m.message_id LIMIT places.free FOR UPDATE SKIP LOCKED) d
)
UPDATE webhook_messages m SET leased_until = $4, claims = m.claims + 1, tries = m.tries + 1
FROM due, webhook_endpoints e
WHERE m.message_id = due.message_id AND m.endpoint_id = due.endpoint_id AND e.endpoint_id = m.endpoint_id
RETURNING m.message_id, m.endpoint_id, m.project_id, m.event_type, m.body, m.tries, m.claims, m.created_at,
    e.sealed_url,
    ARRAY(SELECT s.sealed FROM webhook_secrets s
          WHERE s.endpoint_id = m.endpoint_id AND (s.expires_at IS NULL OR s.expires_at > $1)
          ORDER BY s.created_at DESC) AS sealed_secrets
"""
RENEW = """
UPDATE webhook_messages m SET leased_until = $4
FROM unnest($1::text[], $2::text[], $3::int[]) AS k(message_id, endpoint_id, claims)
WHERE m.message_id = k.message_id AND m.endpoint_id = k.endpoint_id AND m.claims = k.claims AND m.state = 'waiting'
"""
HEALTH = """
SELECT failures, failing_since, paused_until, disabled_reason FROM webhook_endpoints
WHERE endpoint_id = $1 FOR NO KEY UPDATE
"""
HEAL = """
UPDATE webhook_endpoints SET failures = $2, failing_since = $3, paused_until = $4, disabled_reason = $5,
    disabled_at = CASE WHEN $5::text IS NULL THEN NULL ELSE coalesce(disabled_at, $6) END
WHERE endpoint_id = $1
"""
END = """
UPDATE webhook_messages SET state = $4, due_at = $5, leased_until = NULL, ended_at = $6
WHERE message_id = $1 AND endpoint_id = $2 AND claims = $3
"""
KEEP = """
INSERT INTO webhook_attempts
    (message_id, endpoint_id, number, attempted_at, duration_ms, status, error, answer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
FORGET = """
WITH gone AS (
    DELETE FROM webhook_messages m
    WHERE (state <> 'waiting' AND ended_at < $1)
       OR NOT EXISTS (SELECT FROM webhook_endpoints e WHERE e.endpoint_id = m.endpoint_id)
    RETURNING message_id, endpoint_id)
DELETE FROM webhook_attempts a USING gone WHERE a.message_id = gone.message_id AND a.endpoint_id = gone.endpoint_id
"""


class Claim(NamedTuple):
    """A message to be sent now; `tries` counts this attempt in its schedule, `claims` in its life."""

    message_id: str
    endpoint_id: str
    project_id: int
    event_type: str
    body: str
    tries: int
    claims: int
    created_at: datetime
    sealed_url: bytes
    sealed_secrets: list[bytes]


async def take(connection: Any, now: datetime) -> list[Claim]:
    """What is due and has a place at its endpoint, leased to the caller from now on."""
    async with connection.transaction():
        found = await connection.fetch(OPEN, now)
        if not found:
            return []
        places = [Health(failures=row["failures"]).places for row in found]
        rows = await connection.fetch(TAKE, now, [row["endpoint_id"] for row in found], places, now + LEASE)
    return [Claim(*row) for row in rows]


async def renew(connection: Any, claims: Sequence[Claim], now: datetime) -> None:
    """Goes on holding what is still on its way."""
    named = [(claim.message_id, claim.endpoint_id, claim.claims) for claim in claims]
    await connection.execute(RENEW, *(list(column) for column in zip(*named, strict=True)), now + LEASE)


async def health_of(connection: Any, endpoint_id: str) -> Health | None:
    """The endpoint's health, its row locked until the transaction ends; None where it was deleted meanwhile."""
    row = await connection.fetchrow(HEALTH, endpoint_id)
    return Health(*row) if row else None


async def keep_attempt(connection: Any, claim: Claim, sent: Sent, began: datetime, ended: datetime) -> None:
    """Records how an attempt went."""
    took_ms = round((ended - began).total_seconds() * 1000)
    outcome = sent.outcome
    said = (outcome.status, outcome.error, sent.answer)
    await connection.execute(KEEP, claim.message_id, claim.endpoint_id, claim.claims, began, took_ms, *said)


async def end(connection: Any, claim: Claim, following: Next, now: datetime) -> None:
    """Frees the message, ended or due again; nothing where another deliverer holds it by now."""
    due_at = now + timedelta(seconds=following.wait_s or 0)
    ended_at = None if following.state == "waiting" else now
    await connection.execute(END, claim.message_id, claim.endpoint_id, claim.claims, following.state, due_at, ended_at)


async def heal(connection: Any, claim: Claim, before: Health, after: Health, pepper: Pepper, now: datetime) -> None:
    """Keeps the endpoint's health; that it was disabled is a fact."""
    if after == before:
        return
    await connection.execute(HEAL, claim.endpoint_id, *after, now)
    if after.disabled_reason is not None and before.disabled_reason is None:
        body = {"actor": "deliverer", "subject": claim.endpoint_id, "reason": after.disabled_reason}
        name = f"{claim.endpoint_id}:{claim.message_id}:{claim.claims}"
        item = log.prepare(Fact(claim.project_id, "webhook_disabled", name, body, now), now, pepper)
        statement = APPEND.format(*(f"${n}" for n in range(1, len(Item._fields) + 1)))
        await connection.fetch(statement, *([value] for value in item))


async def forget_older(connection: Any, before: datetime) -> None:
    """Drops messages that ended before then, and those of endpoints that are gone, with their attempts."""
    await connection.execute(FORGET, before)
