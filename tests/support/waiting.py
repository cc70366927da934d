"""Waits for a condition with a deadline; the only way a test waits."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool], deadline_s: float = 60.0, what: str = "condition") -> None:
    """Returns once `condition` holds; fails with `what` after `deadline_s` seconds."""
    ends = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < ends, f"waited {deadline_s:.0f} s in vain for {what}"
        time.sleep(0.05)
