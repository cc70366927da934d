"""Names say what a thing is, and a module says it in its first sentence."""

import ast
import re

from tests.architecture.tree import ROOT, functions, parsed, python_files, rooms_files, short

SAYS_NOTHING = {"common", "core", "manager", "managers", "service", "services"}
SAYS_NOTHING_ANYWHERE = {"helper", "helpers", "misc", "util", "utilities", "utils"}


def _says_nothing(part: str) -> bool:
    return part in SAYS_NOTHING or bool(SAYS_NOTHING_ANYWHERE & set(part.split("_")))


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    """A file named utils, helpers, common, core, manager, service or misc is where things are lost."""
    named = {
        short(path)
        for path in python_files()
        if any(_says_nothing(part.lower()) for part in path.relative_to(ROOT).with_suffix("").parts)
    }

    assert not named


def test_a_module_opens_with_one_sentence() -> None:
    """The first paragraph of a module's docstring is one sentence that says what it is, in one or two lines."""
    first = {short(path): (ast.get_docstring(parsed(path)) or "").split("\n\n")[0] for path in python_files()}

    otherwise = {name: said for name, said in first.items() if not re.fullmatch(r"[^\n]+(\n[^\n]+)?[.?!]", said)}

    assert first
    assert not otherwise


def test_a_test_is_a_promise() -> None:
    """Every test has a docstring: its name and that sentence are what the project promises."""
    tests = [
        function
        for path in python_files()
        if path.name.startswith("test_")
        for function in functions(path)
        if function.node.name.startswith("test_")
    ]

    silent = [test.place for test in tests if not ast.get_docstring(test.node)]

    assert not silent


def test_an_error_class_says_what_happened() -> None:
    """An exception's docstring is its message, so every one of them has a docstring."""
    errors = [
        (f"{short(path)}:{node.lineno} {node.name}", node)
        for path in rooms_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and _is_exception(node)
    ]

    silent = [place for place, node in errors if not ast.get_docstring(node)]

    assert errors
    assert not silent


def _is_exception(node: ast.ClassDef) -> bool:
    names = [ast.unparse(base).split(".")[-1] for base in node.bases]
    return any(name.endswith(("Error", "Exception", "Refused")) for name in names)
