"""A recording is read whole and in the order of time, or refused in one line that names the place."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from feedback_cli.demo.recording import RecordingUnreadable, open_recording

INFERENCE = {
    "inference_request_id": "i1",
    "model_version": "m-1",
    "occurred_at": "1996-07-30T00:30:00Z",
    "inputs": {"x": 1.0},
    "outputs": [{"output_id": "A", "content": {"label": "UP"}}],
}
FEEDBACK = {
    "feedback_id": "137956b1-e066-5025-8933-d476aa593d1b",
    "inference_request_id": "i1",
    "feedback_type": "ground_truth",
    "feedback_value": {"label": "UP"},
    "occurred_at": "1996-07-30T00:00:00Z",
}


def write(folder: Path, inferences: list[Any], feedback: list[Any]) -> Path:
    """A recording with these lines; a str goes in as it is."""
    for name, lines in (("inferences", inferences), ("feedback", feedback)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    return folder


def test_events_of_both_files_are_merged_by_time(tmp_path: Path) -> None:
    """Feedback that was given before its inference is played before it; at the same moment the inference is first."""
    same_moment = {**FEEDBACK, "occurred_at": INFERENCE["occurred_at"]}
    folder = write(tmp_path, [INFERENCE], [same_moment, FEEDBACK])

    recording = open_recording(folder)

    assert [event.kind for event in recording.events] == ["feedback", "inference", "feedback"]
    assert recording.inferences == 1
    assert recording.model_version == "m-1"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 is not a JSON object"),
        ({**INFERENCE, "outputs": None} | {"outputs": 1, "inputs": 1}, None),
        ({name: value for name, value in INFERENCE.items() if name != "outputs"}, "line 2 has no outputs"),
        ({**INFERENCE, "occurred_at": "yesterday"}, "line 2: occurred_at is not an RFC 3339 time"),
        ({**INFERENCE, "occurred_at": "1996-07-30T00:30:00"}, "line 2: occurred_at has no offset"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, told: str | None) -> None:
    """The message is one line with the file, the line and what is wrong there; a value's own shape is the door's."""
    folder = write(tmp_path, [INFERENCE, line], [FEEDBACK])

    if told is None:
        assert open_recording(folder).inferences == 2
        return
    with pytest.raises(RecordingUnreadable) as caught:
        open_recording(folder)

    assert told in caught.value.detail
    assert "inferences.jsonl.gz" in caught.value.detail
    assert "\n" not in caught.value.detail


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    """The message says which files a recording has."""
    with pytest.raises(RecordingUnreadable, match=r"inferences\.jsonl\.gz and feedback\.jsonl\.gz"):
        open_recording(tmp_path)


def test_a_file_that_is_no_gzip_is_refused(tmp_path: Path) -> None:
    """Neither plain text nor a cut archive is played."""
    folder = write(tmp_path, [INFERENCE] * 50, [FEEDBACK])
    whole = (folder / "inferences.jsonl.gz").read_bytes()

    for damaged in (b"plain text\n", whole[:-20]):
        (folder / "inferences.jsonl.gz").write_bytes(damaged)
        with pytest.raises(RecordingUnreadable, match="not a complete gzip file"):
            open_recording(folder)


def test_a_recording_without_inferences_is_refused(tmp_path: Path) -> None:
    """There is nothing to answer."""
    folder = write(tmp_path, [], [FEEDBACK])

    with pytest.raises(RecordingUnreadable, match="holds no inference"):
        open_recording(folder)
