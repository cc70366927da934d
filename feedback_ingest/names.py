"""Ids, UUIDs and RFC 3339 times as they may be written on the wire; parsed here, never by a lenient library."""

import re
from datetime import datetime

UUID_TEXT = re.compile(r"\A[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z", re.ASCII)
RFC_3339 = re.compile(
    r"\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)\Z", re.ASCII | re.IGNORECASE
)
NO_UUID = {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}


def is_visible(name: str) -> bool:
    """Whether `name` is 1 to 256 visible characters: spaces inside only; no controls, no zero-width, no bidi marks."""
    return 0 < len(name) <= 256 and name.isprintable() and name[0] != " " and name[-1] != " "


def canonical_uuid(text: str) -> str | None:
    """The lower-case form of a canonical 8-4-4-4-12 UUID, or None; nil and max are no names."""
    if not UUID_TEXT.match(text):
        return None
    text = text.lower()
    return None if text in NO_UUID else text


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time with an offset as an aware datetime (digits below a microsecond dropped), or None."""
    found = RFC_3339.match(text)
    if found is None:
        return None
    moment, fraction, zone = found.groups()
    try:
        parsed = datetime.fromisoformat(moment + "." + (fraction or "0")[:6].ljust(6, "0") + zone.upper())
        return parsed if parsed.utctimetuple() else None
    except (ValueError, OverflowError):
        return None
