"""A recording: inferences and feedback in the words of the contract, read from a folder and merged by time."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from feedback_ingest.errors import SetupError

Kind = Literal["inference", "feedback"]
FILES: dict[Kind, str] = {"inference": "inferences.jsonl.gz", "feedback": "feedback.jsonl.gz"}
NEEDED: dict[Kind, tuple[str, ...]] = {
    "inference": ("inference_request_id", "model_version", "inputs", "outputs"),
    "feedback": ("feedback_id", "inference_request_id", "feedback_type", "feedback_value"),
}


class RecordingUnreadable(SetupError):
    """The recording cannot be played; it needs inferences.jsonl.gz and feedback.jsonl.gz in the contract's words."""


@dataclass(frozen=True)
class Recorded:
    """One recorded event and when it happened."""

    occurred_at: datetime
    kind: Kind
    body: dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """All events in the order they happened, and the model that answered then."""

    events: list[Recorded]
    inferences: int
    model_version: str
    model_name: str | None

    @property
    def begins(self) -> datetime:
        """When its first event happened."""
        return self.events[0].occurred_at

    @property
    def span_s(self) -> float:
        """Recorded seconds from the first inference to the last one."""
        times = [event.occurred_at for event in self.events if event.kind == "inference"]
        return (times[-1] - times[0]).total_seconds()


def open_recording(folder: Path) -> Recording:
    """Reads both files of `folder`; raises RecordingUnreadable with the file, the line and what is wrong there."""
    events: list[Recorded] = []
    for kind, name in FILES.items():
        events += _events(folder / name, kind)
    # An inference goes before feedback of the same moment; within a kind the file's order stays.
    events.sort(key=lambda event: (event.occurred_at, event.kind == "feedback"))
    inferences = [event.body for event in events if event.kind == "inference"]
    if not inferences:
        raise RecordingUnreadable(f"{folder / FILES['inference']} holds no inference; nothing can be played")
    first = inferences[0]
    return Recording(events, len(inferences), first["model_version"], first.get("model_name"))


def _events(path: Path, kind: Kind) -> Iterator[Recorded]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _event(line, kind, f"{path} line {number}")
    except FileNotFoundError as error:
        raise RecordingUnreadable(f"{path} is not there; a recording is a folder with {_names()}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise RecordingUnreadable(f"{path} is not a complete gzip file of UTF-8 lines; write it again") from error
    except OSError as error:
        raise RecordingUnreadable(f"{path} cannot be read ({error.strerror}); check the path and its rights") from error


def _event(line: str, kind: Kind, where: str) -> Recorded:
    try:
        body = json.loads(line)
    except ValueError as error:
        raise RecordingUnreadable(f"{where} is not JSON; write one object a line") from error
    if not isinstance(body, dict):
        raise RecordingUnreadable(f"{where} is not a JSON object; write one object a line")
    missing = [name for name in (*NEEDED[kind], "occurred_at") if name not in body]
    if missing:
        raise RecordingUnreadable(f"{where} has no {' and no '.join(missing)}; see the contract's words for {kind}")
    try:
        occurred_at = datetime.fromisoformat(body["occurred_at"])
    except (TypeError, ValueError) as error:
        raise RecordingUnreadable(
            f"{where}: occurred_at is not an RFC 3339 time; write 2026-01-31T12:00:00Z"
        ) from error
    if occurred_at.tzinfo is None:
        raise RecordingUnreadable(f"{where}: occurred_at has no offset; write 2026-01-31T12:00:00Z")
    return Recorded(occurred_at, kind, body)


def _names() -> str:
    return " and ".join(FILES.values())
