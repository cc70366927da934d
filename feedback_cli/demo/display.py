"""What one sees of a demo: a live panel on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from feedback_ingest.clock import monotonic_s, utc_now

BARS = "▁▂▃▄▅▆▇█"
PLAIN_EVERY_S = 10.0
MILESTONES_SHOWN = 12
STATUSES = ("accepted", "duplicate", "conflict", "refused")


@dataclass
class Shown:
    """What the panel says now."""

    phase: str = ""
    champion: str = "–"
    rolling: float | None = None
    history: list[float] = field(default_factory=list)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    note: str = ""
    milestones: list[str] = field(default_factory=list)


class Display:
    """A context: `phase` and `milestone` say something once, `update` changes the numbers."""

    def __init__(self, title: str) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.shown = Shown()
        self._title = title
        self._started_s = monotonic_s()
        self._last_plain_s = monotonic_s()
        self._live = Live(console=self.console, refresh_per_second=4, get_renderable=self._panel)

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the panel as it stands."""
        if self._live.is_started:
            self._live.stop()

    def phase(self, name: str) -> None:
        """A new phase of the demo."""
        self.shown.phase = name
        self._plain(name)

    def milestone(self, text: str) -> None:
        """Something that happened in the loop, kept in sight."""
        self.shown.milestones.append(f"{utc_now():%H:%M:%S}  {text}")
        self._plain(text)

    def update(self, **changes: Any) -> None:
        """New numbers; without a terminal they are said every 10 seconds."""
        for name, value in changes.items():
            setattr(self.shown, name, value)
        if monotonic_s() - self._last_plain_s > PLAIN_EVERY_S:
            self._last_plain_s = monotonic_s()
            self._plain(self._numbers())

    def _plain(self, text: str) -> None:
        if not self._live.is_started:
            print(f"{self._elapsed()}  {text}", file=sys.stderr, flush=True)

    def _elapsed(self) -> str:
        seconds = int(monotonic_s() - self._started_s)
        return f"{seconds // 60}:{seconds % 60:02d}"

    def _numbers(self) -> str:
        rolling = "–" if self.shown.rolling is None else f"{self.shown.rolling:.3f}"
        sums = {status: sum(kind.get(status, 0) for kind in self.shown.counts.values()) for status in STATUSES}
        sent = ", ".join(f"{status} {count}" for status, count in sums.items())
        return f"rolling accuracy {rolling}, champion {self.shown.champion}, {sent} {self.shown.note}".rstrip()

    def _panel(self) -> Panel:
        table = Table.grid(padding=(0, 2))
        table.add_row("phase", Text(self.shown.phase, style="bold"))
        table.add_row("champion", Text(self.shown.champion, style="cyan"))
        rolling = "–" if self.shown.rolling is None else f"{self.shown.rolling:.3f}"
        table.add_row("rolling accuracy", Text(f"{rolling}  {sparkline(self.shown.history)}"))
        for kind, counted in self.shown.counts.items():
            said = "  ".join(f"{status} {counted.get(status, 0)}" for status in STATUSES)
            table.add_row(kind, Text(said))
        if self.shown.note:
            table.add_row("", Text(self.shown.note, style="dim"))
        milestones = Text("\n".join(self.shown.milestones[-MILESTONES_SHOWN:]))
        return Panel(Group(table, Text(), milestones), title=f"{self._title}  {self._elapsed()}")


def sparkline(values: list[float], width: int = 48) -> str:
    """The last `width` accuracies (0 to 1) as bars.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    return "".join(BARS[min(round(value * (len(BARS) - 1) + 0.01), len(BARS) - 1)] for value in values[-width:])
