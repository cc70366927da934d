"""The project's own files, as the architecture tests see them: no environment, cache, data or generated code."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("api", "expectations", "feedback_assets", "feedback_cli", "feedback_ingest", "feedback_loop")
BESIDE = ("benchmarks", "clients", "docs", "examples", "tests")

_NOT_OURS = {"__pycache__", "node_modules", "build", "dist"}
_SUFFIXES = {
    ".cfg",
    ".css",
    ".html",
    ".js",
    ".json",
    ".mako",
    ".md",
    ".proto",
    ".py",
    ".sql",
    ".svg",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
}
_NAMES = {"Dockerfile", "LICENSE", "Makefile", "run"}


@dataclass(frozen=True)
class Function:
    """A function with where it stands; `lines` counts from `def` to its last line."""

    path: str
    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def lines(self) -> int:
        return (self.node.end_lineno or self.node.lineno) - self.node.lineno + 1

    @property
    def place(self) -> str:
        return f"{self.path}:{self.node.lineno} {self.node.name}"


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink() or entry.name in _NOT_OURS:
            continue
        if entry.is_dir():
            if not entry.name.startswith(".") or entry.name in {".ci", ".github"}:
                yield from _walk(entry)
        elif entry.suffix in _SUFFIXES or entry.name in _NAMES:
            yield entry


@cache
def text_files() -> tuple[Path, ...]:
    """Every text file that was written by a person."""
    return tuple(_walk(ROOT))


@cache
def python_files() -> tuple[Path, ...]:
    """Every Python file written by a person; protobuf stubs are not."""
    return tuple(
        path for path in text_files() if path.suffix == ".py" and not path.stem.endswith(("_pb2", "_pb2_grpc"))
    )


def short(path: Path) -> str:
    """The path from the project's root, with forward slashes."""
    return path.relative_to(ROOT).as_posix()


def is_migration(path: Path) -> bool:
    """Whether this is one version of the schema: long by nature, and never edited again."""
    return "migrations/versions/" in short(path)


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=short(path))


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file, nested ones too."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(short(path), node)


def rooms_files() -> tuple[Path, ...]:
    """The Python files of the six rooms, without what stands beside them."""
    return tuple(path for path in python_files() if path.relative_to(ROOT).parts[0] in ROOMS)
