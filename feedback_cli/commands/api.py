"""`feedback api`: the HTTP API in the foreground."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("api")(api)


def api(
    port: int = typer.Option(None, help="Port to listen on; default FEEDBACK_API_PORT (8000)."),
    host: str = typer.Option(None, help="Address to listen on; default FEEDBACK_API_HOST (127.0.0.1)."),
    only: str = typer.Option("all", help="`ingest` serves the receiver alone."),
    behind_proxy: bool = typer.Option(
        None, "--behind-proxy", help="A proxy speaks TLS in front; default FEEDBACK_BEHIND_PROXY."
    ),
) -> None:
    """Serve the API until SIGTERM or Ctrl-C.

    Example: feedback api --port 8000 --only ingest
    """
    from api.serving import serve
    from feedback_ingest.errors import SetupError
    from feedback_ingest.settings import get_settings
    from feedback_ingest.transport import refuse_plain_text, tls_of

    if only not in ("all", "ingest"):
        raise SetupError("--only takes `ingest`, or leave it out for the whole API")
    settings = get_settings()
    address, tls = host or settings.api_host, tls_of(settings)
    refuse_plain_text(address, tls, settings.behind_proxy if behind_proxy is None else behind_proxy)
    prepare()
    target = "api.receiver:app" if only == "ingest" else "api.app:app"
    serve(target, address, settings.api_port if port is None else port, tls)


def prepare() -> None:
    """Meets the worker's needs in the open, where an operator sees in one line what is missing."""
    from feedback_ingest import migrate
    from feedback_ingest.canonical import load_pepper
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings

    settings = get_settings()
    database = open_database(settings)
    if settings.database_url is None:
        migrate.upgrade(database)
    migrate.check(database)
    migrate.remember_pepper(database, load_pepper(settings))
    database.close()
