"""`feedback log`: read the log from any offset, and check that it is whole."""

import typer

log = typer.Typer(help="The event log: read, verify.", no_args_is_help=True)


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
    """Check that no offset is missing and that every event has its key; exit code 1 if not.

    Example: feedback log verify
    """
    import json

    from feedback_cli.commands.keys import session
    from feedback_ingest.inspection import look_at_log

    with session() as opened:
        state = look_at_log(opened)
    told = f"{state.rows} events, offsets {state.first}..{state.last}, {'whole' if state.is_whole else 'NOT whole'}"
    typer.echo(json.dumps(state._asdict() | {"is_whole": state.is_whole}) if as_json else told)
    raise typer.Exit(0 if state.is_whole else 1)


@log.command("drop")
def drop(
    below: int = typer.Option(..., help="Partitions whose offsets are all below this one go."),
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """Retention: drop whole old partitions of the log. What is derived from them stays; a rebuild cannot reach them.

    Example: feedback log drop --below 5000001
    """
    import json

    from feedback_cli.commands.keys import session
    from feedback_ingest.errors import SetupError
    from feedback_ingest.inspection import drop_partitions
    from feedback_loop.stream.status import status

    with session() as opened:
        if status(opened).log_offset < below - 1:
            raise SetupError(f"the stream has not read up to {below - 1} yet; let it catch up first")
        dropped = drop_partitions(opened, below)
    typer.echo(json.dumps({"dropped": dropped}) if as_json else f"dropped {len(dropped)} partitions")
