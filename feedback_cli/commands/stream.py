"""`feedback stream`: the process that follows the log, in the foreground."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("stream")(stream)


def stream() -> None:
    """Follow the log and keep the live tables, until SIGTERM or Ctrl-C.

    Example: FEEDBACK_DATA_DIR=/var/lib/feedback feedback stream
    """
    from feedback_cli.supervision.interrupts import stop_on_signals
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings
    from feedback_loop.stream.process import run

    stop = stop_on_signals()
    settings = get_settings()
    database = open_database(settings)
    try:
        run(database, settings, stop)
    finally:
        database.close()
