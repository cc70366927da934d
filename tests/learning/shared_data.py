"""Real feedback beside the checkout, as rows: sets that are not part of the project, so a test may find none."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from feedback_ingest.log import LogRow
from feedback_loop.learning.rows import feedback_row, inference_row

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def rows_of(name: str, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The feedback rows and the inference rows of a set; skips the test where the set is not there."""
    converter = DATA / f"convert_{name}.py"
    if not converter.exists():
        pytest.skip(f"{converter} is not here")
    subprocess.run([sys.executable, str(converter), str(folder)], check=True, capture_output=True, timeout=60)
    inferences = [inference_row(row) for row in _logged(folder, "inference", 1)]
    feedback = [feedback_row(row) for row in _logged(folder, "feedback", len(inferences) + 1)]
    return [row for row in feedback if row], [row for row in inferences if row]


def _logged(folder: Path, kind: str, start: int) -> Iterator[LogRow]:
    name, identity = ("inferences", "inference_request_id") if kind == "inference" else ("feedback", "feedback_id")
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for offset, line in enumerate(lines, start):
            body = json.loads(line)
            moment = datetime.fromisoformat(body["occurred_at"])
            yield LogRow(offset, 1, kind, body[identity], moment, moment, body)


def truths_of(folder: Path, column: str) -> dict[str, Any]:
    """What is known to be true of each event of a set that `rows_of` has laid out, by its id."""
    with gzip.open(folder / "truth.jsonl.gz", "rt", encoding="utf-8") as lines:
        return {told["event_id"]: told[column] for told in map(json.loads, lines)}
