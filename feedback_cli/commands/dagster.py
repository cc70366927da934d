"""`feedback dagster`: Dagster's three processes alone, beside an API and a stream that run elsewhere."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("dagster")(dagster)


def dagster() -> None:
    """Run Dagster's code server, webserver and daemon on FEEDBACK_DATABASE_URL until SIGTERM or Ctrl-C.

    Example: FEEDBACK_DATABASE_URL=postgresql://me@db/feedback feedback dagster
    """
    from feedback_cli.supervision.interrupts import stop_on_signals
    from feedback_cli.supervision.processes import dagster_processes
    from feedback_cli.supervision.system import running
    from feedback_ingest.settings import get_settings

    stop = stop_on_signals()
    with running(get_settings(), dagster_processes, lambda line: typer.echo(line, err=True), stop) as system:
        typer.echo(f"Dagster  {system.addresses.dagster_url}/asset-groups")
        stop.wait()
