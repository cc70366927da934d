"""`feedback stream`: the process that follows the log, in the foreground."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("stream")(stream)


ONLY = typer.Option(None, help="Consumers, by commas, that this process works as; others work elsewhere.")
REBUILD = typer.Option(False, "--rebuild", help="First empty what they keep: read the log from offset 1.")


def stream(only: str | None = ONLY, rebuild: bool = REBUILD) -> None:
    """Follow the log and keep the live tables, until SIGTERM or Ctrl-C; a second one waits until the first one ends.

    Example: feedback stream --only rolling_metrics,alerts
    """
    from feedback_cli.commands.rules import apply
    from feedback_cli.supervision.interrupts import stop_on_signals
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings
    from feedback_loop.stream.process import run

    stop = stop_on_signals()
    settings = get_settings()
    if settings.rules_file is not None:
        apply(settings.rules_file, "default", as_json=False)
    database = open_database(settings)
    try:
        run(database, settings, stop, [name.strip() for name in (only or "").split(",") if name.strip()], rebuild)
    finally:
        database.close()
