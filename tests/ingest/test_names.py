"""Ids and times have one spelling on the wire."""

from datetime import UTC, datetime

import pytest

from feedback_ingest.clock import new_id
from feedback_ingest.names import canonical_uuid, is_visible, parse_time


@pytest.mark.parametrize("name", ["a", "req 1", "модель", "模型", "a" * 256, "f(x)=1"])
def test_takes_visible_names(name: str) -> None:
    """Any script is welcome."""
    assert is_visible(name)


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\u200bb", "abc\u202etxt", "a\x7f", "a\u00a0b", "a" * 257])
def test_refuses_names_one_cannot_see(name: str) -> None:
    """What looks like another id, or breaks a log line, is no id."""
    assert not is_visible(name)


def test_spells_a_uuid_in_lower_case() -> None:
    """Two spellings of one UUID are one feedback."""
    text = str(new_id())

    assert canonical_uuid(text.upper()) == text


@pytest.mark.parametrize("text", ["{%s}", "urn:uuid:%s", " %s", "%s\n"])
def test_refuses_other_spellings(text: str) -> None:
    """Leniency would split idempotency."""
    assert canonical_uuid(text % new_id()) is None


def test_makes_ids_that_sort_by_time() -> None:
    """Version 7 ids keep an index local; the variant and version bits are RFC 9562's."""
    made = new_id()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_reads_rfc_3339_with_any_offset() -> None:
    """Nine decimals are read, six are kept."""
    assert parse_time("2026-01-07T12:00:00.123456789+02:00") == datetime(2026, 1, 7, 10, 0, 0, 123456, UTC)


@pytest.mark.parametrize(
    "text", ["2026-01-07T10:00:00", "now", "2026-01-07T24:00:00Z", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z"]
)
def test_refuses_times_that_depend_on_the_reader(text: str) -> None:
    """No zone, no such day, or outside the calendar: refused, never guessed."""
    assert parse_time(text) is None
