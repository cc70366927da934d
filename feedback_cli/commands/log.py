"""`feedback log`: read the log from any offset, check that it is whole, and move what is old into files."""

import typer

log = typer.Typer(help="The event log: read, verify, seal.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(log, name="log")


@log.command("read")
def read(
    start: int = typer.Option(1, "--from", help="First offset, inclusive."),
    limit: int = typer.Option(100, help="How many events at most."),
    kind: str = typer.Option(None, help="Only this kind, such as feedback or inference."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON lines."),
) -> None:
    """Print events in order.

    Example: feedback log read --from 1 --limit 10 --json
    """
    import orjson

    from feedback_cli.commands.keys import session
    from feedback_ingest.log import read as events

    with session() as opened:
        for row in events(opened, start - 1, limit, [kind] if kind else None):
            if as_json:
                typer.echo(orjson.dumps(row._asdict(), option=orjson.OPT_UTC_Z).decode())
            else:
                typer.echo(f"{row.log_offset:>9}  {row.received_at:%Y-%m-%d %H:%M:%S}  {row.kind:<12} {row.id}")


@log.command("verify")
def verify(as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line.")) -> None:
    """Check that no offset is missing, that every event has its key, and each file its digest; exit code 1 if not.

    Example: feedback log verify
    """
    import json

    from feedback_cli.commands.keys import session
    from feedback_ingest.inspection import look_at_log
    from feedback_ingest.sealed.verifying import faults

    with session() as opened:
        state = look_at_log(opened)
        wrong = faults(opened)
    is_whole = state.is_whole and not wrong
    told = f"{state.rows} events, offsets {state.first}..{state.last}, {'whole' if is_whole else 'NOT whole'}"
    files = f"{state.segments} sealed segments up to offset {state.sealed_through}, {state.sealed_bytes >> 20} MiB"
    if as_json:
        typer.echo(json.dumps(state._asdict() | {"is_whole": is_whole, "faults": wrong}))
    else:
        typer.echo("\n".join([told, *([files] if state.segments else []), *wrong]))
    raise typer.Exit(0 if is_whole else 1)


@log.command("seal")
def seal(
    older_than: int = typer.Option(None, help="Days since receipt; default: FEEDBACK_LOG_KEEP_DAYS."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be sealed, and seal nothing."),
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """Move old partitions of the log from PostgreSQL into Parquet files; everything goes on reading them.

    Example: feedback log seal --older-than 30 --dry-run
    """
    import json

    from feedback_cli.sealing import seal_old
    from feedback_ingest.settings import get_settings

    days = get_settings().log_keep_days if older_than is None else older_than
    done = seal_old(days, dry_run, quiet=as_json)
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, "segments": done}))
    else:
        verb = "would seal" if dry_run else "sealed"
        lines = [f"{verb} offsets {one['first_offset']}..{one['last_offset']}" for one in done]
        typer.echo("\n".join(lines) or f"no full partition is older than {days} days")
