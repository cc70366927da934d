"""What the UI shows of a table: Markdown tables and plots, in Dagster's metadata; numbers come from elsewhere."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    import ibis
    from matplotlib.figure import Figure

SAMPLE_ROWS = 10
CELL_LENGTH = 160
POINTS = 80
"""At most so many points in a line: what is plotted is looked at, not measured."""


def markdown_table(rows: Sequence[Mapping[str, Any]], empty: str = "no rows") -> dg.MarkdownMetadataValue:
    """Rows as a Markdown table; the columns are those of the first row."""
    if not rows:
        return dg.MetadataValue.md(f"*{empty}*")
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: Any) -> str:
    """One cell; text of users cannot break out of it, nor become a link or HTML."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    text = str(value).replace("\n", " ")
    text = text if len(text) <= CELL_LENGTH else text[: CELL_LENGTH - 1] + "…"
    return text.translate({ord(c): f"&#{ord(c)};" for c in "|<>[]`&"})


def counts(table: "ibis.Table", *by: str) -> list[dict[str, Any]]:
    """How many rows there are of each value of the columns `by`, in the order of the values."""
    grouped = table.group_by(list(by)).agg(rows=table.count()).order_by(list(by))
    found: list[dict[str, Any]] = grouped.to_pyarrow().to_pylist()
    return found


def sample(table: "ibis.Table", *columns: str) -> list[dict[str, Any]]:
    """The first few rows, some columns of them."""
    found: list[dict[str, Any]] = table.select(*columns).limit(SAMPLE_ROWS).to_pyarrow().to_pylist()
    return found


def point_width_s(table: "ibis.Table", time: str) -> int:
    """The seconds that one point stands for, so that a line over all of the column `time` has at most POINTS."""
    ends = table.agg(first=table[time].min(), last=table[time].max()).to_pyarrow().to_pylist()[0]
    return 1 if ends["first"] is None else max(int((ends["last"] - ends["first"]).total_seconds() / POINTS), 1)


def line_plot(
    title: str,
    lines: Mapping[str, Sequence[tuple[Any, float]]],
    marks: Iterable[tuple[Any, str]] = (),
    y_range: tuple[float, float] | None = (0, 1),
) -> dg.MarkdownMetadataValue:
    """Lines over time by name, with vertical marks that are named, as a PNG inside Markdown."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2))
    axes = figure.add_axes((0.06, 0.1, 0.92, 0.8))
    for name, points in lines.items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name)
    for x, name in marks:
        axes.axvline(x, linestyle="--", color="grey")
        axes.annotate(name, (x, 1), xycoords=("data", "axes fraction"), rotation=90, va="top", fontsize=7)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    if y_range:
        axes.set_ylim(y_range[0], y_range[1] * 1.02)
    if lines:
        axes.legend(fontsize=7)
    return _png(figure, title)


def bar_plot(title: str, bars: Mapping[str, Mapping[str, float]]) -> dg.MarkdownMetadataValue:
    """Groups of bars between 0 and 1 by name, as a PNG inside Markdown."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2))
    axes = figure.add_axes((0.08, 0.1, 0.9, 0.8))
    groups = list(next(iter(bars.values()), {}))
    width = 0.8 / max(len(bars), 1)
    for place, (name, heights) in enumerate(bars.items()):
        drawn = axes.bar(
            [x + place * width for x in range(len(groups))], [heights[g] for g in groups], width, label=name
        )
        axes.bar_label(drawn, fmt="%.3f", fontsize=7)
    axes.set_xticks([x + width * (len(bars) - 1) / 2 for x in range(len(groups))], groups)
    axes.set_ylim(0, 1.1)
    axes.set_title(title)
    axes.legend(fontsize=7)
    return _png(figure, title)


def _png(figure: "Figure", title: str) -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")
