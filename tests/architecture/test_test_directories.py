"""Every directory of tests has a name that says what its tests may use and what they promise."""

from tests.architecture.tree import ROOT

KINDS = {
    "acceptance": "the whole loop on real processes",
    "architecture": "the house rules, read from the files",
    "browser": "pages in a headless chromium",
    "chaos": "failure tests: processes are killed at every step and the ledger is compared with the log",
    "clients": "our own clients against the real server",
    "contract": "what every feedback type, consumer, enricher, ... promises; runs over all that `collect()` finds",
    "integration": "several rooms together, with a real Postgres, a real server or a real process",
    "plugins": "pytest plugins; no tests",
    "property": "for all inputs: function = expression, any order = same table",
    "support": "what several kinds share: servers to start, waits with a deadline; no tests",
    "unit": "one function, values in and values out; no process, no database",
}
ROOMS = {
    "api": "the doors, through a real application",
    "assets": "feedback_assets: the graph, materialised in process",
    "cli": "feedback_cli: commands, their exit codes and their one-line errors",
    "expectations": "each rule against rows that keep it and rows that break it",
    "ingest": "feedback_ingest: envelopes, the log, migrations",
    "learning": "pure decisions; no process, no database",
    "registry": "the champion pointer and MLflow's record of it",
    "review": "queues and verdicts, on a real Postgres",
    "stream": "the consumers, on a real Postgres",
}
WITHOUT_TESTS = {"plugins", "support"}


def _folders() -> set[str]:
    return {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}


def test_every_directory_of_tests_is_named_here() -> None:
    """A directory is named after a room or a kind; a new one is added here, with a sentence, before it exists."""
    assert _folders() <= set(KINDS) | set(ROOMS)


def test_no_directory_stands_empty() -> None:
    """A directory that promises tests holds some."""
    empty = {name for name in _folders() - WITHOUT_TESTS if not list((ROOT / "tests" / name).rglob("test_*.py"))}

    assert not empty


def test_tests_stand_in_a_directory_of_their_kind() -> None:
    """No test stands directly under tests/, nor in a directory that promises to hold none."""
    astray = [path.name for path in (ROOT / "tests").glob("test_*.py")]
    hidden = [path.name for name in WITHOUT_TESTS for path in (ROOT / "tests" / name).rglob("test_*.py")]

    assert not astray
    assert not hidden
