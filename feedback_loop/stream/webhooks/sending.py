"""Sending: one signed attempt, to an address that was checked a moment ago, bounded in time and in what is read."""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple, Self

import httpx

from feedback_ingest.settings import Settings
from feedback_loop.learning.retries import Outcome
from feedback_loop.stream.webhooks.targets import (
    Allowed,
    Resolve,
    Target,
    TargetRefused,
    checked,
    parse,
    system_resolve,
)

TOTAL_S, CONNECT_S = 15.0, 3.0
READ_BYTES, KEPT_BYTES = 65_536, 1_024
RESOLVERS = 16
HEADERS = {
    "content-type": "application/json",
    "user-agent": "feedback-loop-webhooks/1",
    "accept-encoding": "identity",
}
ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (TargetRefused, "target-refused"),
    (TimeoutError, "timeout"),
    (httpx.TimeoutException, "timeout"),
    (httpx.ConnectError, "unreachable"),
    (httpx.ProxyError, "proxy"),
    (httpx.TransportError, "protocol"),
)


class Sent(NamedTuple):
    """How an attempt ended, and the first bytes of the answer."""

    outcome: Outcome
    answer: str | None = None


def signed(message_id: str, body: str, secrets: list[str], at: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks for `body`, signed with each of `secrets`; `at` is in UTC."""
    from standardwebhooks import Webhook

    signatures = " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signatures,
    }


@dataclass
class Wire:
    """The one HTTP client of a deliverer. No connection is kept: each belongs to one checked address and one name."""

    allowed: Allowed
    proxy: str | None = None
    resolve: Resolve = system_resolve
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    total_s: float = TOTAL_S
    read_bytes: int = READ_BYTES
    kept_bytes: int = KEPT_BYTES

    @classmethod
    def of(cls, settings: Settings) -> "Wire":
        """The client as the settings have it; raises SetupError."""
        return cls(Allowed.read(settings.webhook_allow), settings.egress_proxy)

    async def __aenter__(self) -> Self:
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            verify=self.tls,
            proxy=self.proxy,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            timeout=httpx.Timeout(self.total_s, connect=min(CONNECT_S, self.total_s)),
        )
        self._resolvers = ThreadPoolExecutor(RESOLVERS, "webhook-names")
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._resolvers.shutdown(wait=False, cancel_futures=True)
        await self._client.aclose()

    async def send(self, url: str, headers: dict[str, str], body: str, now: datetime) -> Sent:
        """One attempt, at most `total_s` long; what went wrong is in the outcome, in a word of ours."""
        try:
            async with asyncio.timeout(self.total_s):
                return await self._attempt(parse(url, self.allowed), {**HEADERS, **headers}, body.encode(), now)
        except tuple(kind for kind, _ in ERRORS) as error:
            word = next(word for kind, word in ERRORS if isinstance(error, kind))
            return Sent(Outcome(None, word))

    async def _attempt(self, target: Target, headers: dict[str, str], body: bytes, now: datetime) -> Sent:
        """Through the proxy by name, for it checks the addresses; else at one address after the other."""
        if self.proxy is not None:
            if target.address is not None:
                checked(target, self.allowed, self.resolve)
            return await self._post(target.url, headers, body, {}, now)
        addresses = await self._addresses(target)
        extensions = {"sni_hostname": target.host} if target.address is None else {}
        headers = {**headers, "host": target.authority}
        for address in addresses[:-1]:
            try:
                return await self._post(target.at(address), headers, body, extensions, now)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._post(target.at(addresses[-1]), headers, body, extensions, now)

    async def _addresses(self, target: Target) -> list[IPv4Address | IPv6Address]:
        if target.address is not None:
            return checked(target, self.allowed, self.resolve)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._resolvers, checked, target, self.allowed, self.resolve)

    async def _post(
        self, url: str, headers: dict[str, str], body: bytes, extensions: dict[str, Any], now: datetime
    ) -> Sent:
        """The status decides, as soon as it is there; the answer is read as far as `read_bytes`, and not waited for."""
        async with self._client.stream("POST", url, headers=headers, content=body, extensions=extensions) as response:
            outcome = Outcome(response.status_code, None, _retry_after_s(response, now))
            return Sent(outcome, await self._first_bytes(response))

    async def _first_bytes(self, response: httpx.Response) -> str:
        kept, read = b"", 0
        try:
            async for piece in response.aiter_raw():
                kept = (kept + piece)[: self.kept_bytes]
                read += len(piece)
                if read >= self.read_bytes:
                    break
        except (httpx.TransportError, httpx.StreamError):
            return _text(kept)
        return _text(kept)


def _text(raw: bytes) -> str:
    """What the database can keep of it."""
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def _retry_after_s(response: httpx.Response, now: datetime) -> float | None:
    """Retry-After in seconds or as a date; None where there is none that can be read."""
    asked = response.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        moment = parsedate_to_datetime(asked)
        return (moment - now).total_seconds()
    except (ValueError, TypeError):
        return None
