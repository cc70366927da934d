"""What a killed supervisor left running on a data directory: found by process id *and* command, then stopped."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from feedback_cli.supervision.data_directory import read_state


def stop_leftovers(data_dir: Path, say: Callable[[str], None]) -> None:
    """Stops the processes of an earlier supervisor of `data_dir` that is no more; says so in one line."""
    import psutil

    found = [process for name, known in _recorded(data_dir).items() if (process := _same_process(name, known))]
    if not found:
        return
    say(f"an earlier run was killed and left {len(found)} processes; stopping them")
    for process in found:
        process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(found, timeout=10)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)


def _recorded(data_dir: Path) -> dict[str, Any]:
    children = read_state(data_dir).get("children")
    return children if isinstance(children, dict) else {}


def _same_process(name: str, known: Any) -> Any:
    """The process when its id still bears the recorded command; ids are given out again."""
    import psutil

    if not isinstance(known, dict):
        return None
    try:
        process = psutil.Process(int(known["pid"]))
        return process if process.cmdline() == known["command"] else None
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
