"""Every setting of a client, from arguments or from FEEDBACK_URL and FEEDBACK_KEY, checked once."""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict
from urllib.parse import urlsplit

import httpx

from feedback_client.errors import ConfigurationError, Problem

MIB = 1024 * 1024
MAX_BATCH_EVENTS = 1_000
MAX_BATCH_BYTES = 4 * MIB

Transport = httpx.BaseTransport | httpx.AsyncBaseTransport
WhenFull = Literal["block", "raise", "drop"]
Fsync = Literal["always", "interval", "never"]


class Settings(TypedDict, total=False):
    """The keyword arguments of both clients; the README's table says what each does."""

    model_name: str | None
    model_version: str | None
    timeout: float
    deadline: float
    give_up_after: float | None
    batch_events: int
    batch_bytes: int
    linger: float
    gzip_above: int | None
    max_event_bytes: int
    queue_events: int
    queue_bytes: int
    when_full: WhenFull
    block_timeout: float
    spool: str | os.PathLike[str] | None
    spool_bytes: int
    spool_fsync: Fsync
    close_timeout: float
    exit_on_sigterm: bool
    on_refused: Callable[[dict[str, Any], Problem], object] | None
    on_dropped: Callable[[dict[str, Any], str], object] | None
    on_blocked: Callable[[Problem], object] | None
    verify: ssl.SSLContext | bool
    proxy: str | None
    trust_env: bool
    transport: Transport | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings with their defaults; times in seconds, sizes in bytes."""

    url: str
    key: str = field(repr=False)
    model_name: str | None = None
    model_version: str | None = None
    timeout: float = 10.0
    deadline: float = 30.0
    give_up_after: float | None = None
    batch_events: int = 500
    batch_bytes: int = MIB
    linger: float = 0.2
    gzip_above: int | None = 16_384
    max_event_bytes: int = 262_144
    queue_events: int = 10_000
    queue_bytes: int = 32 * MIB
    when_full: WhenFull = "block"
    block_timeout: float = 1.0
    spool: str | os.PathLike[str] | None = None
    spool_bytes: int = 256 * MIB
    spool_fsync: Fsync = "interval"
    close_timeout: float = 10.0
    exit_on_sigterm: bool = False
    on_refused: Callable[[dict[str, Any], Problem], object] | None = None
    on_dropped: Callable[[dict[str, Any], str], object] | None = None
    on_blocked: Callable[[Problem], object] | None = None
    verify: ssl.SSLContext | bool = True
    proxy: str | None = None
    trust_env: bool = False
    transport: Transport | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for wrong, said in self._faults():
            if wrong:
                raise ConfigurationError(said)

    def _faults(self) -> list[tuple[bool, str]]:
        parts = urlsplit(self.url)
        visible = self.key.isascii() and self.key.isprintable() and " " not in self.key
        return [
            (parts.scheme not in ("http", "https") or not parts.hostname, "url must be http(s)://host[:port][/path]"),
            (bool(parts.username or parts.query or parts.fragment), "url takes no user, query or fragment"),
            (not self.key or not visible, "key must be a key as `feedback keys create` printed it"),
            (not 1 <= self.batch_events <= MAX_BATCH_EVENTS, f"batch_events must be 1 to {MAX_BATCH_EVENTS}"),
            (not 1 <= self.batch_bytes <= MAX_BATCH_BYTES, f"batch_bytes must be 1 to {MAX_BATCH_BYTES}"),
            (not 1 <= self.max_event_bytes < MAX_BATCH_BYTES, f"max_event_bytes must be below {MAX_BATCH_BYTES}"),
            (min(self.queue_events, self.queue_bytes) < 1, "queue_events and queue_bytes must be positive"),
            (self.spool_bytes < 4 * self.max_event_bytes, "spool_bytes must be at least 4 times max_event_bytes"),
            (self.spool_fsync not in ("always", "interval", "never"), "spool_fsync is always, interval or never"),
            (self.when_full not in ("block", "raise", "drop"), "when_full is block, raise or drop"),
            (
                self.when_full == "drop" and self.on_dropped is None,
                "when_full='drop' needs on_dropped: nothing is lost unsaid",
            ),
            (min(self.timeout, self.deadline) <= 0, "timeout and deadline must be positive"),
            (min(self.linger, self.block_timeout, self.close_timeout) < 0, "a time cannot be negative"),
        ]

    @property
    def spool_folder(self) -> Path | None:
        """Where the spool is, if there is one."""
        return None if self.spool is None else Path(self.spool)

    @property
    def defaults(self) -> dict[str, object]:
        """What every event is completed with."""
        told = {"model_name": self.model_name, "model_version": self.model_version}
        return {name: value for name, value in told.items() if value is not None}


def options(url: str | None, key: str | None, settings: Settings) -> Options:
    """The options of a client; raises ConfigurationError where something is missing or wrong."""
    url, key = url or os.environ.get("FEEDBACK_URL"), key or os.environ.get("FEEDBACK_KEY")
    if not url:
        raise ConfigurationError("where to send? Give url=, or set FEEDBACK_URL")
    if not key:
        raise ConfigurationError("as whom? Give key=, or set FEEDBACK_KEY")
    return Options(url=url.rstrip("/"), key=key.strip(), **settings)
