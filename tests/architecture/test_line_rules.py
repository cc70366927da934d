"""What no line of the project may say, whoever wrote it."""

import ast
import re

import pytest

from tests.architecture.tree import is_migration, parsed, python_files, rooms_files, short, text_files

# A pattern is written so that this file does not match itself.
ANYWHERE = {
    "a path of somebody's machine": r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/",
    "a temporary path of somebody's session": r"(?<![\w.])/tmp/[a-z]{1,2}/",
    "a folder beside the project": r"\.\./share[d]|(?<![\w/.-])share[d]/(?:design|data|bad_inputs|hooks)",
    "somebody's Python installation": r"pyen[v]",
    "a note instead of work": r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b",
    "a plan instead of a fact": r"(?i)\bphase [0-9]\b|\bin a future (?:version|release|round)\b|\bcoming soo[n]\b",
    "a conflict left in": r"^(?:<{7}|>{7}) ",
}
PYTHON = {
    "postponed annotations, which Dagster cannot read": r"^from __future__ import annotation[s]",
    "a silenced check without its name": r"# noq[a](?!:)|# type: ignor[e](?!\[)",
    "a way around the one home of clock, ids and environment": r"noqa:.*TID25[1]",
    "a debugger": r"^\s*(?:breakpoint\(|import pdb)",
}


@pytest.mark.parametrize("rule", ANYWHERE)
def test_no_file_holds(rule: str) -> None:
    """No text file of the project holds what belongs to one machine, one day or one person."""
    found = _search(ANYWHERE[rule], text_files())

    assert not found


@pytest.mark.parametrize("rule", PYTHON)
def test_no_python_file_holds(rule: str) -> None:
    """No Python file postpones annotations, silences a check without a name or stops in a debugger."""
    found = _search(PYTHON[rule], python_files())

    assert not found


def test_only_a_wait_with_a_deadline_sleeps() -> None:
    """A test waits for a condition with a deadline: a sleep stands only inside a loop that looks again."""
    tests = [path for path in python_files() if short(path).startswith("tests/")]

    found = [f"{short(path)}:{line}" for path in tests for line in _sleeps_outside_a_loop(parsed(path))]

    assert not found


def test_only_the_ground_and_the_loop_write_tables() -> None:
    """The SQL that changes a row stands beside the table's owner; doors, assets and commands call it."""
    elsewhere = [
        path
        for path in rooms_files()
        if not short(path).startswith(("feedback_ingest/", "feedback_loop/", "tests/")) and not is_migration(path)
    ]

    found = _search(r"(?:INSERT INTO|DELETE FROM|TRUNCATE|UPDATE \w+ SET) ?", elsewhere)

    assert not found


def _search(pattern: str, paths) -> list[str]:
    compiled = re.compile(pattern)
    return [
        f"{short(path)}:{number}: {line.strip()[:100]}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if compiled.search(line)
    ]


def _sleeps_outside_a_loop(tree: ast.Module) -> list[int]:
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While | ast.AsyncFor)]
    inside = {child for loop in loops for child in ast.walk(loop)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node not in inside]
    slept = {"time.sleep", "sleep", "asyncio.sleep"}
    return [call.lineno for call in calls if ast.unparse(call.func) in slept and ast.unparse(call.args[0]) != "0"]
