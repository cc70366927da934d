"""The feedback lake: feedback as hive-partitioned Parquet in a folder or on S3, for whoever reads it with other tools.

`project_id=1/received_day=2026-03-01/000000000001-000000000420.parquet` holds what came between two offsets. Facts
never change, so files are only added: a name says what is in it, and writing one again writes the same.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from feedback_ingest.clock import new_id
from feedback_ingest.settings import Settings

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from pyarrow.fs import FileSystem

NAME = re.compile(r"(\d{12})-(\d{12})\.parquet")
CONNECT_S, REQUEST_S = 5, 30


def add(settings: Settings, feedback: "ibis.Table", days: Sequence[str], upto_offset: int) -> "pa.Table":
    """Adds what `feedback` (FEEDBACK_SCHEMA) has of some days up to the offset and the lake has not, one file a project
    and day. One row a file that was added: received_day, project_id, path, rows, first_offset, last_offset.
    """
    import ibis
    import pyarrow as pa

    files, root = _place(settings)
    known = feedback.filter(feedback.log_offset <= upto_offset)
    added: list[dict[str, Any]] = []
    for day in days:
        mine = known.filter(known.received_at.date() == ibis.date(day))
        for row in mine.select("project_id").distinct().order_by("project_id").to_pyarrow().to_pylist():
            folder = f"{root}/project_id={row['project_id']}/received_day={day}"
            theirs = mine.filter(mine.project_id == row["project_id"], mine.log_offset > _through(files, folder))
            rows = theirs.order_by("log_offset").to_pyarrow()
            if len(rows):
                added.append({"received_day": date.fromisoformat(day), **row, **_write(files, folder, rows)})
    whole = [(name, pa.int64()) for name in ("rows", "first_offset", "last_offset")]
    names = [("received_day", pa.date32()), ("project_id", pa.int32()), ("path", pa.string()), *whole]
    return pa.Table.from_pylist(added, pa.schema(names))


def _through(files: "FileSystem", folder: str) -> int:
    """The last offset that a folder has."""
    from pyarrow.fs import FileSelector

    found = files.get_file_info(FileSelector(folder, allow_not_found=True))
    return max((int(name[2]) for each in found if (name := NAME.fullmatch(each.base_name))), default=0)


def _write(files: "FileSystem", folder: str, rows: "pa.Table") -> dict[str, Any]:
    """Writes one file, whole or not at all: an object of S3 appears when it is complete, a file by its name."""
    import pyarrow.parquet as pq

    first, last = rows["log_offset"][0].as_py(), rows["log_offset"][-1].as_py()
    path = f"{folder}/{first:012d}-{last:012d}.parquet"
    is_local = files.type_name == "local"
    if is_local:
        files.create_dir(folder, recursive=True)
    target = f"{folder}/.{new_id().hex}.partial" if is_local else path
    plain = rows.drop_columns(["project_id"]).replace_schema_metadata(None)
    pq.write_table(plain, target, compression="zstd", filesystem=files)
    if is_local:
        files.move(target, path)
    return {"path": path, "rows": len(rows), "first_offset": first, "last_offset": last}


def _place(settings: Settings) -> "tuple[FileSystem, str]":
    """Where FEEDBACK_LAKE_URL leads; without it a folder of the data directory."""
    from pyarrow import fs

    url = settings.lake_url
    if url is None or not url.startswith("s3://"):
        folder = settings.data_dir / "feedback_lake" if url is None else url.removeprefix("file://")
        return fs.LocalFileSystem(), str(folder).rstrip("/")
    endpoint = urlsplit(settings.ref_s3_endpoint or "")
    store = fs.S3FileSystem(
        region=settings.ref_s3_region,
        endpoint_override=endpoint.netloc or None,
        scheme=endpoint.scheme or None,
        connect_timeout=CONNECT_S,
        request_timeout=REQUEST_S,
    )
    return store, url.removeprefix("s3://").rstrip("/")
