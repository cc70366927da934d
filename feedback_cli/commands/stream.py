"""`feedback stream`: the process that follows the log, in the foreground."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("stream")(stream)


ONLY = typer.Option(None, help="Consumers, by commas, that this process works as; others work elsewhere.")
REBUILD = typer.Option(False, "--rebuild", help="First empty what they keep: read the log from offset 1.")


def stream(only: str | None = ONLY, rebuild: bool = REBUILD) -> None:
    """Follow the log, keep the live tables, deliver webhooks, until SIGTERM or Ctrl-C; a second one waits.

    Example: feedback stream --only rolling_metrics,alerts,flagging,webhooks
    """
    from feedback_cli.commands.rules import apply
    from feedback_cli.supervision.interrupts import stop_on_signals
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings
    from feedback_loop.stream.contexts.asking import asking
    from feedback_loop.stream.figures import serving
    from feedback_loop.stream.limits import bound_memory
    from feedback_loop.stream.process import run
    from feedback_loop.stream.webhooks.deliverer import delivering

    stop = stop_on_signals()
    settings = get_settings()
    bound_memory(settings.stream_memory_mib)
    if settings.rules_file is not None:
        apply(settings.rules_file, "default", as_json=False)
    database = open_database(settings)
    try:
        names = [name.strip() for name in (only or "").split(",") if name.strip()]
        with serving(database, settings), delivering(database, settings, stop), asking(database, settings, stop):
            run(database, settings, stop, names, rebuild)
    finally:
        database.close()
