"""Names and times of events: UUID version 7, RFC 3339."""

import os
import time
from datetime import UTC, datetime, timedelta

PLAUSIBLE = timedelta(hours=24)


def new_id() -> str:
    """A UUID version 7 (RFC 9562) as text: 48 bits of Unix milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    value = (time.time_ns() // 1_000_000) << 80
    value |= 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & ((1 << 62) - 1)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_id(text: str) -> bool:
    """Whether `text` looks like what `new_id` makes."""
    return len(text) == 36 and text[14] == "7" and text.count("-") == 4


def time_within(feedback_id: str) -> str | None:
    """The millisecond a UUID version 7 was made at, as RFC 3339; None for other ids and for times a day off.

    Taken from the id, so that the same event sent twice under an id of the caller's is the same content.
    """
    if len(feedback_id) != 36 or feedback_id[14] != "7":
        return None
    try:
        milliseconds = int(feedback_id[:8] + feedback_id[9:13], 16)
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return rfc3339(moment) if abs(datetime.now(UTC) - moment) < PLAUSIBLE else None


def now() -> str:
    """The wall clock as RFC 3339."""
    return rfc3339(datetime.now(UTC))


def rfc3339(moment: datetime) -> str:
    """An aware datetime in UTC with milliseconds; raises ValueError for a naive one."""
    if moment.utcoffset() is None:
        raise ValueError("a time needs its offset: use datetime.now(timezone.utc)")
    text = moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return (text[:-3] if text.endswith("000") else text) + "Z"
