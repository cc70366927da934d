"""Files, functions and the receiver stay small enough to be read in one sitting."""

import ast

from tests.architecture.tree import functions, is_migration, parsed, python_files, rooms_files, short

FILE_LINES = 300
FUNCTION_LINES = 40
ASSET_LINES = 15
RECEIVER_LINES = 800


def test_no_file_is_longer_than_300_lines() -> None:
    """A file that no longer fits is two files."""
    sizes = {
        short(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files()
        if not is_migration(path)
    }

    too_long = {name: lines for name, lines in sizes.items() if lines > FILE_LINES}

    assert not too_long


def test_no_function_is_longer_than_40_lines() -> None:
    """A function that no longer fits is two functions."""
    all_functions = [function for path in python_files() if not is_migration(path) for function in functions(path)]

    too_long = {function.place: function.lines for function in all_functions if function.lines > FUNCTION_LINES}

    assert not too_long


def test_an_asset_is_load_then_function_then_result() -> None:
    """The body of a Dagster asset has at most 15 lines: what a unit test would want stands in a pure function."""
    assets = [
        function
        for path in rooms_files()
        if short(path).startswith("feedback_assets/")
        for function in functions(path)
        if any("asset" in ast.unparse(d).split("(")[0].split(".")[-1] for d in function.node.decorator_list)
    ]

    too_long = {asset.place: lines for asset in assets if (lines := _body_lines(asset.node)) > ASSET_LINES}

    assert assets
    assert not too_long


def test_the_receiver_is_small() -> None:
    """The part that faces the internet is at most 800 lines, so that one person can review all of it."""
    files = [path for path in rooms_files() if short(path).startswith("api/receiver")]

    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)

    assert files
    assert lines <= RECEIVER_LINES


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_python_file_parses() -> None:
    """No file is left half-written: each one is valid Python."""
    trees = [parsed(path) for path in python_files()]

    assert all(isinstance(tree, ast.Module) for tree in trees)
