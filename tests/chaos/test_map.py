"""The table in README.md is complete and true: every number has its test, and every test its planted bug."""

import re

from tests.chaos.doors import ROOT

NUMBERS = {*range(1, 7), *range(8, 35), *range(37, 46), *range(46, 54), *range(57, 65)}
ROW = re.compile(r"^\| (\d+) \| [^|]+ \| `([\w/]+\.py)::(\w+)` \| `([^`]+)` \|$", re.MULTILINE)


def wrong(table: str) -> list[str]:
    """What a table says that is not so; what it leaves out."""
    rows = ROW.findall(table)
    found = [f"{number} is missing" for number in sorted(NUMBERS - {int(row[0]) for row in rows})]
    files = (ROOT / "tests" / "chaos").glob("test_*.py")
    chaos = "".join(path.read_text() for path in files if path.name != "test_map.py")
    for number, file, name, bug in rows:
        path = ROOT / "tests" / file
        own = path.read_text() if path.exists() else ""
        if f"def {name}(" not in own:
            found.append(f"{number} has no {name}")
        if bug not in chaos + own:
            found.append(f"{number} has no planted {bug}")
    return found


def test_every_failure_test_has_its_planted_bug() -> None:
    """Each number names a test that exists and a bug that a test here, or beside it, plants."""
    assert wrong((ROOT / "tests" / "chaos" / "README.md").read_text()) == []


def test_a_hole_in_the_table_is_noticed() -> None:
    """The planted bugs: a number without a row, a test and a bug that do not exist."""
    table = (ROOT / "tests" / "chaos" / "README.md").read_text()

    assert wrong(re.sub(r"^\| 27 .*\n", "", table, flags=re.MULTILINE)) == ["27 is missing"]
    assert wrong(table.replace("test_slow_clients_are_let_go", "test_gone"))
    assert wrong(table.replace("`patient`", "`imaginary`"))
