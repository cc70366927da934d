"""`python -m benchmarks NAME [--json] [--full]`: runs one measurement; with --json its figures are the last line."""

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import Any

NOT_MEASUREMENTS = {
    "__init__", "__main__", "alerts", "breaches", "by_hand", "copying", "corrections", "drifts", "full_log",
    "graph_times", "load", "log_files", "made_up", "plays", "rollbacks", "servers", "serving", "streams",
}  # fmt: skip


def names() -> list[str]:
    """Every measurement there is: one file each."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in NOT_MEASUREMENTS)


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=names(), default="ingest")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--full", action="store_true", help="longer and more rounds")
    chosen = parser.parse_args()
    result: dict[str, Any] = import_module(f"benchmarks.{chosen.name}").run(chosen.full)
    figures = result.pop("figures")
    if chosen.json:
        print(json.dumps({**result, "figures": figures}))
        return
    for name, value in result.items():
        print(f"{name:<24} {value}")
    for name, seen in figures.items():
        print(f"  {name:<26} median {seen['median']}  spread {seen['spread']}  rounds {seen['rounds']}")


if __name__ == "__main__":
    main()
