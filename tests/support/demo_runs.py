"""Runs `feedback demo` as a user does, in a folder of its own, and hands over what it left."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLANTED = Path(__file__).parent / "planted"
LONGEST_S = 400


@dataclass(frozen=True)
class DemoRun:
    """A finished demo: its data directory, exit code, output and demo.json."""

    data_dir: Path
    exit_code: int
    output: str
    report: dict[str, Any]

    def ask(self, query: str) -> list[list[str]]:
        """Rows of a query to its Postgres, which is started for it in a process of its own and stopped again."""
        environment = {**os.environ, "FEEDBACK_DATA_DIR": str(self.data_dir)}
        command = [sys.executable, "-m", "feedback_cli", "psql", "--csv", "--tuples-only", "-c", query]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        return list(csv.reader(told.stdout.splitlines()))


def run_demo(data_dir: Path, *arguments: str, planted: str | None = None) -> DemoRun:
    """Plays a demo on free ports with a fault planted into every product process, or none."""
    environment = {
        **os.environ,
        "FEEDBACK_DATA_DIR": str(data_dir),
        "FEEDBACK_API_PORT": "0",
        "FEEDBACK_DAGSTER_PORT": "0",
        "FEEDBACK_GRPC_PORT": "0",
    }
    if planted:
        environment |= {"PLANTED_BUG": planted, "PYTHONPATH": str(PLANTED)}
    command = [sys.executable, "-m", "feedback_cli", "demo", "--exit", *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_S)
    left = data_dir / "demo.json"
    report = json.loads(left.read_text()) if left.exists() else {}
    return DemoRun(data_dir, ended.returncode, ended.stdout + ended.stderr, report)
