"""What we ship of others is what their package says: named, licensed, and byte for byte as it was fetched."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

FOLDER = ROOT / "api" / "pages" / "static" / "vendor"
SOURCES = {
    "uPlot.iife.min.js": "dist/uPlot.iife.min.js",
    "uPlot.min.css": "dist/uPlot.min.css",
    "uPlot.LICENSE.txt": "LICENSE",
}
"""Our name of each file, and its place in the package."""
NPM = shutil.which("npm")


def sums() -> dict[str, str]:
    """The SHA-256 of each file, as it was when `make vendor` fetched it."""
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def test_every_vendored_file_is_as_it_was_fetched() -> None:
    """No file beside those that are listed, and none that was changed by hand."""
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FOLDER.iterdir()
        if path.suffix in {".js", ".css", ".txt"}
    }

    assert found == sums()
    assert set(found) == set(SOURCES)


def test_the_chart_library_is_the_one_that_is_locked() -> None:
    """The version in its first line is that of package.json and of the lock, which knows the package's digest."""
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]["uplot"]
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]["node_modules/uplot"]
    said = re.search(r"uPlot \(v([\d.]+)\)", (FOLDER / "uPlot.iife.min.js").read_text()[:200])

    assert said is not None and said[1] == wanted == locked["version"]
    assert locked["integrity"].startswith("sha512-") and locked["license"] == "MIT"
    assert "MIT" in (FOLDER / "uPlot.LICENSE.txt").read_text()


@pytest.mark.chaos
@pytest.mark.skipif(NPM is None, reason="npm is not installed")
def test_the_registry_gives_the_same_bytes(tmp_path: Path) -> None:
    """`npm ci` checks the package against the lock; what is in it is what stands here."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, tmp_path / name)

    install = [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=tmp_path, check=True, timeout=120)

    package = tmp_path / "node_modules" / "uplot"
    for name, place in SOURCES.items():
        assert (package / place).read_bytes() == (FOLDER / name).read_bytes()
