"""The headers that tell a client its schema version is on its way out (RFC 9745, RFC 8594)."""

from collections.abc import Mapping
from email.utils import format_datetime

from feedback_ingest.feedback_types import FeedbackValue
from feedback_ingest.schema_versions import deprecation


def told_to(raw: bytes, events: list[bytes], types: Mapping[str, type[FeedbackValue]]) -> list[tuple[bytes, bytes]]:
    """Since when the version is deprecated that an event of the body `raw` names, and when it ends; mostly nothing."""
    if b'"schema_version"' not in raw:
        return []
    old = deprecation(events, types)
    if old is None:
        return []
    since, until = b"@%d" % old.deprecated.timestamp(), format_datetime(old.sunset, usegmt=True).encode()
    return [(b"deprecation", since), (b"sunset", until), (b"link", b'</v1/feedback-types>; rel="deprecation"')]
