"""Links by which a person may answer for one inference: made once, kept as a SHA-256, each use counted atomically."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Annotated
from uuid import NAMESPACE_OID, uuid5

from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import update
from sqlmodel import Session, col

from feedback_ingest.canonical import Pepper
from feedback_ingest.doors.tables import FeedbackToken
from feedback_ingest.envelopes import Shape, Visible
from feedback_ingest.feedback_types._base import Slug
from feedback_ingest.receive import Sender
from feedback_ingest.tables import Credential

TOKEN = re.compile(r"\A[0-9A-Za-z_-]{43}\Z", re.ASCII)
DAY_S = 86_400


class NewToken(Shape):
    """A link as POST /v1/feedback-tokens takes it; `model_version` may be left out for a logged inference."""

    inference_request_id: Visible
    feedback_types: Annotated[list[Slug], Meta(min_length=1, max_length=16)]
    ttl_s: Annotated[int, Meta(ge=1, le=400 * DAY_S)] = 30 * DAY_S
    max_uses: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    model_version: Visible | UnsetType = UNSET
    model_name: Visible | UnsetType = UNSET
    user_id: Visible | UnsetType = UNSET


def create(
    session: Session, sender: Sender, wanted: NewToken, model: tuple[str | None, str], now: datetime, pepper: Pepper
) -> tuple[str, FeedbackToken]:
    """Makes a link for `model` (name or None, version); the caller commits. The secret is told once, here."""
    secret = secrets.token_urlsafe(32)
    token = FeedbackToken(
        token_sha256=digest(secret),
        project_id=sender.project_id,
        key_id=sender.key_id,
        inference_request_id=wanted.inference_request_id,
        model_name=model[0],
        model_version=model[1],
        user_ref=None if wanted.user_id is UNSET else pepper.pseudonym(sender.project_id, wanted.user_id),
        feedback_types=list(dict.fromkeys(wanted.feedback_types)),
        max_uses=wanted.max_uses,
        created_at=now,
        expires_at=now + timedelta(seconds=wanted.ttl_s),
    )
    session.add(token)
    session.flush()
    return secret, token


def find(session: Session, secret: str) -> FeedbackToken | None:
    """The link of `secret`; None where there is none, or where the key that made it was revoked."""
    token = session.get(FeedbackToken, digest(secret)) if TOKEN.match(secret) else None
    key = session.get(Credential, token.key_id) if token else None
    return token if key is not None and key.revoked_at is None else None


def is_open(token: FeedbackToken, now: datetime) -> bool:
    """Whether the link may still be used."""
    return token.uses < token.max_uses and now < token.expires_at


def take_use(session: Session, token: FeedbackToken, now: datetime) -> bool:
    """Counts one use, atomically, and commits; False where the link has none left."""
    table = col(FeedbackToken.uses), col(FeedbackToken.max_uses), col(FeedbackToken.expires_at)
    mine = col(FeedbackToken.token_sha256) == token.token_sha256
    counted = update(FeedbackToken).where(mine, table[0] < table[1], table[2] > now).values(uses=table[0] + 1)
    done = session.execute(counted.returning(col(FeedbackToken.uses))).first()
    session.commit()
    return done is not None


def give_back(session: Session, token: FeedbackToken) -> None:
    """Takes one use back, because nothing was stored for it; commits."""
    mine = col(FeedbackToken.token_sha256) == token.token_sha256
    session.execute(update(FeedbackToken).where(mine).values(uses=col(FeedbackToken.uses) - 1))
    session.commit()


def sender_of(token: FeedbackToken) -> Sender:
    """Who answers through the link: an end user, with no more rights than a browser's key."""
    return Sender(token.key_id, token.project_id, frozenset({"ingest:public"}), user_ref=token.user_ref)


def feedback_id_of(token: FeedbackToken, form: str) -> str:
    """The id of what one shown form sends: sent twice, it is one feedback."""
    return str(uuid5(NAMESPACE_OID, f"{token.token_sha256.hex()}/{form}"))


def digest(secret: str) -> bytes:
    """What of a secret is stored."""
    return hashlib.sha256(secret.encode()).digest()
