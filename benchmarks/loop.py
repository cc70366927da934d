"""The loop on a real system: from a correction until a model that learnt it serves, and from a drift until a new one.

Both are played by the digits app: fifty images a second, half of their labels a second later, users who correct. It
notes when it has loaded each version. The system is started as `feedback up` starts it, with every setting as it comes;
where corrections are measured, champions go on learning.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.corrections import served_corrections
from benchmarks.drifts import DRIFT_AFTER_S, served_drift
from benchmarks.plays import playing, up
from benchmarks.stream import summary

LEARNER = "sliding_committee"


def run(full: bool) -> dict[str, Any]:
    """All figures; `full` measures longer, and three drifts."""
    return measure(seconds=120, drifts=3) if full else measure(seconds=30, drifts=1)


def measure(seconds: float, drifts: int) -> dict[str, Any]:
    """Labels of so many seconds, then so many drifts, each of a model of its own."""
    with TemporaryDirectory(prefix="loop-") as folder:
        with up(Path(folder) / "increments", LEARNER) as system, playing(system) as play:
            figures = served_corrections(play, seconds)
        with up(Path(folder) / "drifts") as system:
            for number in range(drifts):
                with playing(system, DRIFT_AFTER_S, seed=number) as play:
                    for name, value in served_drift(play)._asdict().items():
                        figures.setdefault(name, []).append(value)
    return summary(figures)
