"""Token buckets: how much a key may send in a minute, told truly; on a clock that never goes back, in one process.

A bucket is charged after the fact: whoever finds a token is let in, and what they bring may overdraw it. So one batch
is never too large for its limit, the mean rate holds all the same, and `remaining` ≥ 1 means the next request is taken.
"""

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil, floor

from feedback_ingest.receive import Limits

WINDOW_S = 60
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Level:
    """What a client is told of one limit: `wait_s` is until it is whole again, or, with nothing left, until some is."""

    name: str
    quota: int
    window_s: int
    remaining: int
    wait_s: int
    unit: str | None = None

    def policy(self) -> str:
        """The limit as one member of the field RateLimit-Policy."""
        unit = f';qu="{self.unit}"' if self.unit else ""
        return f'"{self.name}";q={self.quota};w={self.window_s}{unit}'

    def state(self) -> str:
        """What is left as one member of the field RateLimit."""
        return f'"{self.name}";r={self.remaining};t={self.wait_s}'


class Bucket:
    """`quota` tokens that come back evenly over the window; below zero after a request that was larger."""

    __slots__ = ("_at_s", "_quota", "_tokens")

    def __init__(self, quota: int, now_s: float) -> None:
        self._quota = quota
        self._tokens = float(quota)
        self._at_s = now_s

    def take(self, tokens: int, now_s: float) -> None:
        """Charges `tokens`, there or not."""
        self._refill(now_s)
        self._tokens -= tokens

    def level(self, name: str, now_s: float, unit: str | None = None) -> Level:
        """What is left at `now_s`."""
        self._refill(now_s)
        remaining = max(0, floor(self._tokens))
        missing = (self._quota if remaining else 1) - self._tokens
        wait_s = ceil(max(0.0, missing) * WINDOW_S / self._quota)
        return Level(name, self._quota, WINDOW_S, remaining, max(1, wait_s), unit)

    def _refill(self, now_s: float) -> None:
        gained = max(0.0, now_s - self._at_s) * self._quota / WINDOW_S
        self._tokens = min(float(self._quota), self._tokens + gained)
        self._at_s = max(self._at_s, now_s)


class Buckets:
    """The buckets of every limited key of this process, which holds `share` of each limit (1 / workers)."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._known: OrderedDict[tuple[str, str, int], Bucket] = OrderedDict()

    def charge(self, key_id: str, limits: Limits, now_s: float, events: int = 0, bytes_: int = 0) -> None:
        """Charges what a request brought."""
        for name, quota, amount in (
            ("events", limits.events_per_minute, events),
            ("bytes", limits.bytes_per_minute, bytes_),
        ):
            if quota is not None and amount:
                self._bucket(key_id, name, quota, now_s).take(amount, now_s)

    def levels(self, key_id: str, limits: Limits, now_s: float) -> list[Level]:
        """What is left of each limit the key has."""
        levels = []
        if limits.events_per_minute is not None:
            bucket = self._bucket(key_id, "events", limits.events_per_minute, now_s)
            levels.append(bucket.level("events", now_s))
        if limits.bytes_per_minute is not None:
            bucket = self._bucket(key_id, "bytes", limits.bytes_per_minute, now_s)
            levels.append(bucket.level("bytes", now_s, "content-bytes"))
        return levels

    def _bucket(self, key_id: str, name: str, quota: int, now_s: float) -> Bucket:
        place = (key_id, name, quota)
        bucket = self._known.get(place)
        if bucket is None:
            bucket = self._known[place] = Bucket(max(1, floor(quota * self._share + 1e-9)), now_s)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return bucket
