"""Sessions of people at pages: made from a key, kept as a SHA-256, ended by hand, by time, or with their key."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import Session, col

from feedback_ingest import keys
from feedback_ingest.doors.tables import PageSession
from feedback_ingest.receive import Sender
from feedback_ingest.tables import Credential

SECRET = re.compile(r"\A[0-9A-Za-z_-]{43}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody at a page: the sender that the key makes of them, and when that ends by itself."""

    sender: Sender
    expires_at: datetime


def create(session: Session, sender: Sender, now: datetime, longest: timedelta) -> tuple[str, datetime]:
    """Signs the key of `sender` in until `longest` from now or its own end; the caller commits.

    Returns the secret, told this once, and the end. What is over is swept out on the way.
    """
    session.execute(delete(PageSession).where(col(PageSession.expires_at) <= now))
    ends = session.get_one(Credential, sender.key_id).expires_at
    expires_at = min(now + longest, ends) if ends else now + longest
    secret = secrets.token_urlsafe(32)
    session.add(PageSession(secret_sha256=digest(secret), key_id=sender.key_id, created_at=now, expires_at=expires_at))
    session.flush()
    return secret, expires_at


def find(session: Session, secret: str, now: datetime) -> SignedIn | None:
    """Who holds `secret`; None where nobody does, or no longer: ended, expired, the key revoked or expired."""
    found = session.get(PageSession, digest(secret)) if SECRET.match(secret) else None
    if found is None or found.expires_at <= now:
        return None
    known = keys.find(session, found.key_id)
    if known is None or not keys.is_valid(known.credential, now):
        return None
    return SignedIn(keys.sender_with(known), found.expires_at)


def end(session: Session, secret: str) -> None:
    """Signs out for good; the caller commits."""
    session.execute(delete(PageSession).where(col(PageSession.secret_sha256) == digest(secret)))


def form_token(secret: str) -> str:
    """What a page of this session sends with whatever it changes; who cannot read the page cannot know it."""
    mac = hmac.digest(secret.encode(), b"form", "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def digest(secret: str) -> bytes:
    """What of a secret is stored."""
    return hashlib.sha256(secret.encode()).digest()
