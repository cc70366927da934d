"""`feedback import`: logged inferences and feedback from files into the log."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from feedback_ingest.imports.files import FileImport
    from feedback_ingest.settings import Settings

FILES = typer.Argument(..., metavar="FILE.jsonl[.gz]", help="One inference or feedback event a line.")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("import")(run)


def run(
    files: list[Path] = FILES,
    project: str = typer.Option("default", help="The project the events belong to."),
    rate: float = typer.Option(None, min=0.1, help="Events a second at most; default: as fast as the log takes them."),
    backfill: bool = typer.Option(False, "--backfill", help="Let in events that are older than 400 days."),
    as_json: bool = typer.Option(False, "--json", help="Answer with the summary as one JSON line."),
) -> None:
    """Bring logged inferences and feedback in, as the door would take them; exit code 1 if one was not stored.

    Run it again after a kill: it goes on where it was, and nothing is stored twice.

    Example: feedback import inferences.jsonl.gz feedback.jsonl.gz --backfill --json
    """
    import asyncio

    from feedback_ingest.imports.bookmarks import total
    from feedback_ingest.settings import get_settings

    imports = asyncio.run(_import_all(get_settings(), files, project, rate, backfill))
    summary = total([each.progress for each in imports])
    if as_json:
        typer.echo(json.dumps({**summary, "files": [_row(each) for each in imports]}))
    else:
        counts = ", ".join(f"{count:,} {status}" for status, count in summary.items() if status != "sent")
        typer.echo(f"{summary['sent']:,} events: {counts}")
    raise typer.Exit(1 if summary["refused"] or summary["conflict"] else 0)


def _row(each: "FileImport") -> dict[str, Any]:
    sent = {"sent": each.progress.sent, **each.progress.counts}
    return {"file": str(each.file), "lines": each.progress.lines, "resumed_after_line": each.resumed_after, **sent}


async def _import_all(
    settings: "Settings", files: list[Path], project: str, rate: float | None, backfill: bool
) -> "list[FileImport]":
    """Imports one file after the other, each with its decision in the log; raises FeedbackError."""
    from sqlmodel import Session

    from feedback_cli.import_display import ImportDisplay
    from feedback_cli.receiving import own_receiver
    from feedback_ingest.imports.bookmarks import Bookmark
    from feedback_ingest.imports.files import FileImport, OnceHeld, Pace, held_before, operator
    from feedback_ingest.imports.lines import open_lines
    from feedback_ingest.keys import project_id

    for file in files:
        with open_lines(file, settings.max_body_bytes):
            pass  # that one is missing is told before the first is sent
    async with own_receiver(settings) as opened:
        intake = opened.door.intake
        with Session(opened.database.engine) as session:
            sender = operator(project_id(session, project), backfill)
            known = held_before(session, sender.project_id)
        own = OnceHeld(
            intake.receiver, intake.commits, intake.max_event_bytes, intake.first_received_at, intake.count, known
        )
        pace, imports = Pace(rate), []
        with ImportDisplay() as display:
            for file in files:
                shown = display.file(file)
                bookmark = Bookmark.of(settings.data_dir, file, sender)
                each = FileImport(
                    own, sender, file, bookmark, pace, settings.max_body_bytes, settings.quarantine_rows,
                    shown.told, shown.came,
                )  # fmt: skip
                imports.append(each)
                await each.run()
                _record(opened, each)
    return imports


def _record(opened: Any, each: "FileImport") -> None:
    """The finished import of a file as a decision in the log."""
    from sqlmodel import Session

    from feedback_ingest.clock import utc_now
    from feedback_ingest.decisions import COMMAND_LINE, Decider

    decider = Decider(COMMAND_LINE, opened.door.intake.receiver.pepper)
    told = {"sha256": each.progress.digest, "lines": each.progress.lines, "counts": each.progress.counts}
    backfill = each.sender.may("backfill")
    with Session(opened.database.engine) as session:
        decider.record(
            session, each.sender.project_id, "events_imported", each.file.name, utc_now(), **told, backfill=backfill
        )
        session.commit()
