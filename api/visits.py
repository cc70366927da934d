"""Visits: requests of keys that have limits, from being let in to what the answer tells; other keys never meet this."""

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.browsers import STRANGERS, cors, cors_of_stranger, origin_of, refuse_other_origin
from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import QuotaExceeded, StorageUnavailable
from feedback_ingest.quotas import Quotas
from feedback_ingest.rate_limits import Buckets, Level
from feedback_ingest.receive import Limits, Sender
from feedback_ingest.settings import Settings

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Gate:
    """What limits a process keeps: buckets by key, quotas by project, and the defaults of public keys."""

    buckets: Buckets
    quotas: Quotas
    settings: Settings

    async def enter(self, sender: Sender, scope: dict[str, Any]) -> "Visit":
        """Lets a request of a limited key in, to be charged later; raises Forbidden or QuotaExceeded.

        The visit stands in `scope["visit"]` even then, so that the refusal can be read by its page and tells the limit.
        """
        visit = scope["visit"] = Visit(self, sender, self.limits_of(sender), origin_of(scope))
        refuse_other_origin(sender, visit.origin)
        visit.listed = True
        if visit.limits.events_per_day is not None and not self.quotas.is_met(sender.project_id):
            try:
                await asyncio.to_thread(self.quotas.meet, sender.project_id)
            except SQLAlchemyError:
                raise StorageUnavailable() from None
        if any(level.remaining < 1 for level in visit.levels()):
            visit.refused = True
            raise QuotaExceeded()
        return visit

    def limits_of(self, sender: Sender) -> Limits:
        """The key's limits; a public key without its own has those of the settings."""
        limits = sender.limits or Limits()
        if not sender.is_public:
            return limits
        return Limits(
            limits.events_per_minute or self.settings.public_events_per_minute,
            limits.bytes_per_minute or self.settings.public_bytes_per_minute,
            limits.events_per_day,
            limits.origins,
        )


@dataclass(slots=True)
class Visit:
    """One request of a limited key."""

    gate: Gate
    sender: Sender
    limits: Limits
    origin: str | None
    listed: bool = False
    refused: bool = False

    @property
    def max_body_bytes(self) -> int:
        """The largest body the key may send."""
        settings = self.gate.settings
        return settings.public_max_body_bytes if self.sender.is_public else settings.max_body_bytes

    def charge(self, bytes_: int = 0, events: int = 0) -> None:
        """Charges the body's decoded bytes before it is parsed, its events after."""
        self.gate.buckets.charge(self.sender.key_id, self.limits, monotonic_s(), events, bytes_)

    def stored(self, events: int) -> None:
        """Counts newly stored events towards the project's day."""
        if self.limits.events_per_day is not None:
            self.gate.quotas.add(self.sender.project_id, events)

    def levels(self) -> list[Level]:
        """What is left of each limit now."""
        levels = self.gate.buckets.levels(self.sender.key_id, self.limits, monotonic_s())
        if self.limits.events_per_day is not None:
            levels.append(self.gate.quotas.level(self.sender.project_id, self.limits.events_per_day))
        return levels

    def headers(self) -> Headers:
        """What the answer tells beside its body: CORS, RateLimit-Policy, RateLimit and, on a 429, Retry-After."""
        if not self.listed:
            return [(b"vary", b"Origin")]
        told = cors(self.sender, self.origin)
        levels = self.levels()
        if levels:
            told["ratelimit-policy"] = ", ".join(level.policy() for level in levels)
            told["ratelimit"] = ", ".join(level.state() for level in levels)
        if self.refused:
            told["retry-after"] = str(max((level.wait_s for level in levels if level.remaining < 1), default=1))
        return encoded(told)


def encoded(told: dict[str, str]) -> Headers:
    """Fields as ASGI takes them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]


def told_beside(scope: dict[str, Any], status: int) -> Headers:
    """What an answer tells beside its body: of the limits of the key, or to a page whose key is not known."""
    if "visit" in scope:
        return scope["visit"].headers()
    return encoded(cors_of_stranger(scope, status)) if status in STRANGERS else []
