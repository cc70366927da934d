"""Sealing from the command line: the partitions that are old enough, one after another, with progress."""

from datetime import timedelta
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import open_database
from feedback_ingest.sealed.sealing import Partition, alone, seal, sealable
from feedback_ingest.settings import get_settings


def seal_old(days: int, dry_run: bool, quiet: bool) -> list[dict[str, Any]]:
    """Seals every full partition whose events are all older than `days`; which segments that makes, or would make."""
    from sqlmodel import Session

    settings, now = get_settings(), utc_now()
    database = open_database(settings)
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with alone(database.engine), Session(database.engine) as session, Progress(*columns, console=console) as progress:
        partitions = sealable(session, now - timedelta(days=days))
        if dry_run:
            return [_would_be(partition) for partition in partitions]
        done = []
        for partition in partitions:
            rows = partition.last_offset - partition.first_offset + 1
            task = progress.add_task(f"{partition.first_offset}..{partition.last_offset}", total=rows)
            told = partial(_tell, progress, task)
            segment = seal(session, partition, settings.sealed_dir, utc_now(), told)
            done.append(segment.model_dump(mode="json", exclude={"folder"}))
        return done


def _tell(progress: Progress, task: TaskID, rows: int) -> None:
    progress.update(task, completed=rows)


def _would_be(partition: Partition) -> dict[str, Any]:
    return {
        "first_offset": partition.first_offset,
        "last_offset": partition.last_offset,
        "last_received_at": partition.last_received_at.isoformat(),
    }
