"""`feedback up`: everything on one machine, kept running until Ctrl-C."""

import json

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("up")(up)


def up(as_json: bool = typer.Option(False, "--json", help="Say where things are as one JSON line.")) -> None:
    """Start the API, the stream and Dagster, on the embedded Postgres or on FEEDBACK_DATABASE_URL.

    Example: FEEDBACK_API_PORT=8080 feedback up
    """
    from feedback_cli.supervision.interrupts import stop_on_signals
    from feedback_cli.supervision.system import everything, running
    from feedback_ingest.settings import get_settings

    stop = stop_on_signals()
    with running(get_settings(), everything, lambda line: typer.echo(line, err=True), stop) as system:
        api, grpc, dagster = system.addresses.api_url, system.addresses.grpc_address, system.addresses.dagster_url
        if as_json:
            where = {"api": api, "dashboard": f"{api}/dashboard", "grpc": grpc, "dagster": dagster}
            where["data_dir"] = str(system.settings.data_dir)
            typer.echo(json.dumps(where))
        elif not stop.is_set():
            typer.echo(f"API        {api}/docs\nDashboard  {api}/dashboard\ngRPC       {grpc or 'not served'}")
            typer.echo(f"Dagster    {dagster}/asset-groups\nlogs       {system.settings.data_dir}/logs")
            typer.echo("running until Ctrl-C")
        stop.wait()
        typer.echo("stopping", err=True)
