"""What `feedback import` shows on stderr: a bar a file with rate and time left, and each line that was not stored."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from feedback_ingest.clock import monotonic_s
from feedback_ingest.imports import bookmarks
from feedback_ingest.imports.files import BadLine
from feedback_ingest.imports.lines import JsonLines


@dataclass(slots=True)
class FileDisplay:
    """One file's bar; the bar follows the bytes on the disk, the rate counts the events sent by this run."""

    file: Path
    bars: Progress
    task: TaskID
    print: Callable[[str], None]
    first: tuple[float, int] | None = None

    def told(self, bad: BadLine) -> None:
        """Prints where a line is and what is wrong with it, never the line."""
        where = ", ".join(f"{fault.pointer or '/'} {fault.code}" for fault in bad.error.faults[:20])
        said = ": ".join(part for part in (bad.error.code, where, bad.advice) if part)
        self.print(f"{self.file}:{bad.line} {said}")

    def came(self, lines: JsonLines, progress: bookmarks.Progress) -> None:
        """Moves the bar."""
        now_s = monotonic_s()
        began_s, before = self.first = self.first or (now_s, progress.sent)
        rate = f"{(progress.sent - before) / (now_s - began_s):,.0f}/s" if now_s > began_s else ""
        self.bars.update(self.task, completed=lines.position, total=lines.size, sent=f"{progress.sent:,}", rate=rate)


class ImportDisplay:
    """The bars of all files; use as a context."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[sent]} events {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bars.stop()

    def file(self, file: Path) -> FileDisplay:
        """A bar for `file`."""
        task = self._bars.add_task(escape(file.name), total=None, sent="0", rate="")
        return FileDisplay(file, self._bars, task, self._print)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
