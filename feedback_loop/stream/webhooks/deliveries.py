"""Deliveries as they are looked at: the messages of an endpoint, newest first, each with its attempts."""

from collections import defaultdict
from collections.abc import Sequence

from sqlmodel import Session, col, select, tuple_

from feedback_loop.stream.webhooks.tables import WebhookAttempt, WebhookMessage

STATES = ("waiting", "delivered", "failed")


def page(
    session: Session, endpoint_id: str, state: str | None, before: str | None, limit: int
) -> list[tuple[WebhookMessage, list[WebhookAttempt]]]:
    """At most `limit` messages older than the one whose id is `before`."""
    wanted = select(WebhookMessage).where(WebhookMessage.endpoint_id == endpoint_id)
    if state is not None:
        wanted = wanted.where(WebhookMessage.state == state)
    last = session.get(WebhookMessage, (before, endpoint_id)) if before else None
    if last is not None:
        place = tuple_(col(WebhookMessage.created_at), col(WebhookMessage.message_id))
        wanted = wanted.where(place < (last.created_at, last.message_id))
    order = col(WebhookMessage.created_at).desc(), col(WebhookMessage.message_id).desc()
    messages = session.exec(wanted.order_by(*order).limit(limit)).all()
    attempts = attempts_of(session, endpoint_id, [message.message_id for message in messages])
    return [(message, attempts[message.message_id]) for message in messages]


def attempts_of(
    session: Session, endpoint_id: str, message_ids: Sequence[str]
) -> defaultdict[str, list[WebhookAttempt]]:
    """The attempts by message, in order."""
    mine = select(WebhookAttempt).where(
        WebhookAttempt.endpoint_id == endpoint_id, col(WebhookAttempt.message_id).in_(message_ids)
    )
    found: defaultdict[str, list[WebhookAttempt]] = defaultdict(list)
    for attempt in session.exec(mine.order_by(col(WebhookAttempt.attempt_id))):
        found[attempt.message_id].append(attempt)
    return found
