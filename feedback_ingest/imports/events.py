"""What a line of an imported file is: an inference or feedback, told by its fields, and what it is called."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from feedback_ingest.intake import FEEDBACK, INFERENCE, Kind


class Marks(msgspec.Struct):
    """The fields that tell the two kinds of events apart; empty where a line has them not."""

    feedback_id: msgspec.Raw = msgspec.Raw()
    feedback_type: msgspec.Raw = msgspec.Raw()
    feedback_value: msgspec.Raw = msgspec.Raw()
    outputs: msgspec.Raw = msgspec.Raw()

    @property
    def is_feedback(self) -> bool:
        """Whether it has a field that only feedback has."""
        return any(map(bytes, (self.feedback_id, self.feedback_type, self.feedback_value)))

    @property
    def is_inference(self) -> bool:
        """Whether it has the field that every inference has."""
        return bool(bytes(self.outputs))


class Event(NamedTuple):
    """One line to send: its number, its text, its kind, and its name where it has none of its own."""

    line: int
    raw: bytes
    kind: Kind
    name: str | None
    marks: Marks | None


def event_of(line: int, raw: bytes, name: Callable[[], str]) -> Event:
    """Tells by its fields what a line is; what is neither, or both, goes to the door as feedback and is told there."""
    try:
        marks = msgspec.json.decode(raw, type=Marks)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Event(line, raw, FEEDBACK, None, None)
    if marks.is_inference and not marks.is_feedback:
        return Event(line, raw, INFERENCE, None, marks)
    return Event(line, raw, FEEDBACK, None if bytes(marks.feedback_id) else name(), marks)


def advice_for(marks: Marks | None) -> str:
    """What a line of no clear kind lacks or has too much."""
    if marks is None or marks.is_feedback != marks.is_inference:
        return ""
    told = "this line has both" if marks.is_feedback else "this line has neither"
    return f"feedback has feedback_type and feedback_value, an inference has outputs; {told}"
