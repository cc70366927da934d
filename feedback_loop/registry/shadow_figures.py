"""What the graph last reported of the versions in the shadow, out of its file in the lake: the figures that decide."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feedback_loop.learning.shadowing import SURE, share
from feedback_loop.registry.shadows import Shadow

FILE = "shadow_report.parquet"
AS_REPORTED = ("champion_version", "samples", "shadow_alone", "champion_alone", "evidence", "outcome", "reason")


def told(shadow: Shadow, lake_dir: Path) -> dict[str, Any]:
    """A shadow as JSON values: its version, since when, and `seen`, how both did; that is None before the first report.

    In `seen`, `shadow` and `champion` are how often each was right (Share), and `evidence` is sure at `sure_at`.
    """
    return {
        "model_version": shadow.version.model_version,
        "since_offset": shadow.since_offset,
        "since": shadow.since.isoformat(),
        "seen": _seen(shadow, lake_dir / FILE),
    }


def _seen(shadow: Shadow, path: Path) -> dict[str, Any] | None:
    """The shadow's row of the newest report, if it is about this stay in the shadow; a report of before it was told so
    fully counts as none.
    """
    import pyarrow.parquet as pq

    if not path.exists():
        return None
    with pq.ParquetFile(path) as file:
        rows = file.read().to_pylist() if {*AS_REPORTED} <= {*file.schema_arrow.names} else []
        reported_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
    version = shadow.version
    mine = (version.project_id, version.model_name, version.model_version, shadow.since_offset)
    named = ("project_id", "model_name", "shadow_version", "since_offset")
    for row in rows:
        if tuple(row[name] for name in named) == mine:
            sides = {side: share(row[f"{side}_right"], row["samples"])._asdict() for side in ("shadow", "champion")}
            return {**{name: row[name] for name in AS_REPORTED}, **sides, "sure_at": SURE, "reported_at": reported_at}
    return None
