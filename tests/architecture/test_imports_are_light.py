"""What starts often or answers requests does not pay for libraries it does not use."""

import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT

HEAVY = ("dagster", "great_expectations", "matplotlib", "mlflow", "pandas", "sklearn")
ALLOWED = {"feedback_assets.definitions": {"dagster", "pandas"}}
MODULES = (
    "api.receiver",
    "feedback_assets.definitions",
    "feedback_cli.main",
    "feedback_ingest",
    "feedback_ingest.log",
    "feedback_ingest.postgres",
    "feedback_loop.stream.process",
)


@pytest.mark.parametrize("module", MODULES)
def test_importing_loads_nothing_heavy(module: str) -> None:
    """Great Expectations costs 9 s, MLflow and scikit-learn 5 s each: they are imported where they are used."""
    refused = [name for name in HEAVY if name not in ALLOWED.get(module, set())]
    program = f"import sys, {module}; print(*sorted(set({refused!r}) & set(sys.modules)))"

    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert answer.returncode == 0, answer.stderr[-2000:]
    assert answer.stdout.split() == []
