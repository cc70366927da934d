"""What the project is built from (failure test 64): hashes, one registry, a bill of materials, the same wheel twice."""

import hashlib
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.chaos.doors import ROOT

UV = ROOT / ".uv" / "bin" / "uv"


def unpinned(lock: str) -> list[str]:
    """Packages of a lock file whose files have no SHA-256, or that come from somewhere else than a registry or here."""
    found = []
    for package in tomllib.loads(lock)["package"]:
        source = package["source"]
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        is_ours = bool({"editable", "virtual", "directory"} & source.keys())
        is_hashed = bool(files) and all(re.fullmatch("sha256:[0-9a-f]{64}", one.get("hash", "")) for one in files)
        if not is_ours and not ("registry" in source and is_hashed):
            found.append(package["name"])
    return found


def test_every_package_is_pinned_by_its_hash() -> None:
    """uv.lock names a SHA-256 for every file of every package."""
    assert unpinned((ROOT / "uv.lock").read_text()) == []


@pytest.mark.parametrize("planted", [(r'hash = "sha256:[0-9a-f]{64}", ', ""), (r"registry = ", "git = ")])
def test_an_unpinned_package_is_noticed(planted: tuple[str, str]) -> None:
    """The planted bugs: a file without its hash, a package from a repository."""
    assert unpinned(re.sub(*planted, (ROOT / "uv.lock").read_text(), count=1))


def unsafe_workflows(texts: dict[str, str]) -> list[str]:
    """Workflows that run strangers' code with our rights, or actions that can change under us."""
    uses = re.compile(r"uses:\s*([^\s#]+)")
    return [
        name
        for name, told in texts.items()
        if "pull_request_target" in told
        or any(not re.search(r"@[0-9a-f]{40}$", one) for one in uses.findall(told) if not one.startswith("./"))
    ]


def test_workflows_are_safe() -> None:
    """No workflow of any hosted CI runs on pull_request_target, and actions are pinned by commit."""
    files = list((ROOT / ".github").rglob("*.y*ml")) if (ROOT / ".github").exists() else []

    assert unsafe_workflows({path.name: path.read_text() for path in files}) == []


@pytest.mark.parametrize("planted", ["on: pull_request_target", "uses: actions/checkout@v4"])
def test_an_unsafe_workflow_is_noticed(planted: str) -> None:
    """The planted bugs."""
    assert unsafe_workflows({"ci.yml": planted}) == ["ci.yml"]


@pytest.mark.chaos
def test_a_bill_of_materials_names_every_package() -> None:
    """`uv export --format cyclonedx1.5` lists what the lock installs, each with its version."""
    command = [str(UV), "export", "--frozen", "--offline", "--format", "cyclonedx1.5", "--preview", "--quiet"]

    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout

    parts = {part["name"]: part.get("version") for part in json.loads(told)["components"]}
    assert {"fastapi", "asyncpg", "uvicorn", "msgspec"} <= parts.keys()
    assert all(parts.values())


def built(folder: Path, umask: int) -> str:
    """The digest of a wheel of this project, built in `folder`."""
    command = [str(UV), "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(
        command, cwd=folder, timeout=300, check=True, umask=umask,
        env={**os.environ, "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(ROOT / ".uv" / "cache"))},
    )  # fmt: skip
    [wheel] = folder.glob("*.whl")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.chaos
def test_a_wheel_built_twice_is_the_same(tmp_path: Path) -> None:
    """Built twice, as users with other rights on new files, the wheel is the same to the last bit."""
    for name in "ab":
        (tmp_path / name).mkdir()

    assert built(tmp_path / "a", 0o022) == built(tmp_path / "b", 0o077)
