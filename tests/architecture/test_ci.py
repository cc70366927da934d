"""CI runs what a person runs, and there a skipped test is a failed one."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.architecture.tree import ROOT

SKIPPING = {
    "in_the_test": "import pytest\ndef test_it():\n    pytest.skip('no browser')\n",
    "by_a_mark": "import pytest\n@pytest.mark.skipif(True, reason='no browser')\ndef test_it():\n    pass\n",
    "while_collected": "import pytest\npytest.skip('no browser', allow_module_level=True)\n",
}
"""Every way in which a test skips itself."""
EXPECTED = "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n"
VERBS = ("setup", "demo", "up", "test", "browser", "check", "bench", "chaos", "docs")


def _run(folder: Path, programs: Mapping[str, str], ci: str) -> subprocess.CompletedProcess[str]:
    for name, program in programs.items():
        (folder / f"test_{name}.py").write_text(program, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    options = ["-p", "tests.plugins.ci_skips", "-p", "no:cacheprovider", "-q", "-rA", "--continue-on-collection-errors"]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_a_skip_is_a_failure_in_ci(tmp_path: Path) -> None:
    """Whatever way a test skips itself, CI is red and says the test's own reason; an expected failure is no skip."""
    answer = _run(tmp_path, {**SKIPPING, "expected": EXPECTED}, ci="true")

    assert answer.returncode != 0
    assert "1 failed, 1 xfailed, 2 errors" in answer.stdout
    for way in SKIPPING:
        assert re.search(rf"^(?:FAILED|ERROR) test_{way}.py\b", answer.stdout, re.MULTILINE), way
    assert answer.stdout.count("skipped in CI, which counts as a failure: Skipped: no browser") >= len(SKIPPING)


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    """On a person's machine what is absent is skipped, and the run is not red."""
    answer = _run(tmp_path, SKIPPING, ci="")

    assert answer.returncode in (0, 5)
    assert f"{len(SKIPPING)} skipped" in answer.stdout


def test_make_lists_the_verbs() -> None:
    """`make` alone installs nothing and names every verb with a sentence."""
    answer = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, timeout=30)

    assert answer.returncode == 0
    assert set(VERBS) <= set(re.findall(r"^  (\w+)\s+\S", answer.stdout, re.MULTILINE))


def test_ci_runs_make_check() -> None:
    """There is no second list of checks: .ci/run is executable and ends in `make check`."""
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1].endswith("make check")


def test_the_pinned_uv_is_the_same_everywhere() -> None:
    """The Makefile and the Dockerfile install one version of uv."""
    makefile = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    dockerfile = re.search(r"uv==(\S+)", (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"))

    assert makefile is not None
    assert dockerfile is not None
    assert makefile[1] == dockerfile[1]
