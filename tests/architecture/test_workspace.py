"""Dagster finds the code location with plain commands, whether or not a database is up."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.architecture.tree import ROOT


def test_the_workspace_names_one_module_of_ours() -> None:
    """workspace.yaml points at feedback_assets.definitions and says where to import it from."""
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))

    module = workspace["load_from"][0]["python_module"]

    assert len(workspace["load_from"]) == 1
    assert module["module_name"] == "feedback_assets.definitions"
    assert module["attribute"] == "defs"
    assert module["working_directory"] == "."


def test_the_code_location_loads_without_a_database(tmp_path: Path) -> None:
    """`dagster definitions validate -w workspace.yaml` is green with a database that cannot be reached."""
    unreachable = "postgresql://nobody@127.0.0.1:1/nothing"
    settings = {"DAGSTER_HOME": str(tmp_path), "FEEDBACK_DATABASE_URL": unreachable, "FEEDBACK_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]

    answer = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, timeout=120
    )

    assert answer.returncode == 0, (answer.stdout + answer.stderr)[-3000:]
