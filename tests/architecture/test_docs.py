"""Documentation that can be generated is, and what was written by hand names only what exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.architecture.command_lines import parse_command
from tests.architecture.tree import ROOT, short, text_files

MARKDOWN = [path for path in text_files() if path.suffix == ".md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(#[^)]*)?\)")


def _blocks(path: Path, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(path.read_text(encoding="utf-8")) if name == language]


def test_the_reference_says_what_the_code_does() -> None:
    """Every generated page is up to date; `make docs` writes it anew."""
    from docs.generate import pages

    stale = [short(path) for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]

    assert not stale, "run `make docs` and commit"


def test_the_reference_holds_generated_pages_only() -> None:
    """A page that nothing writes any more does not stay behind."""
    from docs.generate import FOLDER, PAGES

    assert {path.stem for path in FOLDER.glob("*.md")} == set(PAGES)


def test_every_link_inside_the_project_leads_somewhere() -> None:
    """A link to a file of ours names a file that exists."""
    links = [(path, target) for path in MARKDOWN for target, _ in LINK.findall(path.read_text(encoding="utf-8"))]
    inside = [(path, target) for path, target in links if "://" not in target]

    broken = [f"{short(path)} -> {target}" for path, target in inside if not (path.parent / target).exists()]

    assert inside
    assert not broken


def test_every_decision_is_listed() -> None:
    """The table of decisions links to each of them."""
    folder = ROOT / "docs" / "adr"

    linked = {target for target, _ in LINK.findall((folder / "README.md").read_text(encoding="utf-8"))}

    assert {path.name for path in folder.glob("0*.md")} == linked


def test_every_command_the_docs_name_exists() -> None:
    """A line of a shell block that starts with `feedback` is a command with options it knows."""
    lines = [line for path in MARKDOWN for block in _blocks(path, "sh") for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("feedback ")]

    for words in commands:
        parse_command(words)

    assert commands


def test_the_feedback_type_of_the_guide_works() -> None:
    """The code in the guide defines a type that accepts its examples and refuses its counter-examples."""
    code = _blocks(ROOT / "docs" / "how-to" / "add-a-feedback-type.md", "python")[0]
    module: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, "guide", "exec"), module)
    shape = module["ExplicitTrust"]

    values = [msgspec.convert(example, shape) for example in shape.examples]

    assert [value.reward() for value in values] == [0.75]
    for example in shape.counter_examples:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(example, shape)
