"""`feedback api`: the API, HTTP and gRPC, in the foreground."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("api")(api)


def api(
    port: int = typer.Option(None, help="Port to listen on; default FEEDBACK_API_PORT (8000)."),
    host: str = typer.Option(None, help="Address to listen on; default FEEDBACK_API_HOST (127.0.0.1)."),
    grpc_port: int = typer.Option(None, help="Port of gRPC; default FEEDBACK_GRPC_PORT (50051)."),
    workers: int = typer.Option(None, min=1, help="Processes that serve; default FEEDBACK_API_WORKERS (1)."),
    only: str = typer.Option("all", help="`ingest` serves the receiver alone."),
    behind_proxy: bool = typer.Option(
        None, "--behind-proxy", help="A proxy speaks TLS in front; default FEEDBACK_BEHIND_PROXY."
    ),
) -> None:
    """Serve the API until SIGTERM or Ctrl-C.

    Example: feedback api --port 8000 --only ingest
    """
    from api.serving import listen, serve
    from feedback_ingest.errors import SetupError
    from feedback_ingest.settings import get_settings, settle
    from feedback_ingest.transport import refuse_plain_text, tls_of

    if only not in ("all", "ingest"):
        raise SetupError("--only takes `ingest`, or leave it out for the whole API")
    # A worker is a process of its own, which knows what is said here from its environment alone.
    said = {
        "api_host": host, "api_port": port, "api_workers": workers, "grpc_port": grpc_port,
        "behind_proxy": behind_proxy,
    }  # fmt: skip
    settle(**{name: value for name, value in said.items() if value is not None})
    settings = get_settings()
    tls = tls_of(settings)
    refuse_plain_text(settings.api_host, tls, settings.behind_proxy)
    prepare()
    listener = listen(settings.api_host, settings.api_port)
    claim_grpc_port()  # only now: a port that is taken cannot be found free
    target = "api.receiver:app" if only == "ingest" else "api.app:app"
    serve(target, listener, tls, settings.api_workers)


def claim_grpc_port() -> None:
    """Finds out where gRPC will listen, says so, and leaves it to the workers, who share it where they are several."""
    from api.grpc_door.ports import port_of
    from feedback_ingest.settings import get_settings, settle

    settings = get_settings()
    port = port_of(settings)
    if port is None:
        settle(grpc=False)
        return
    # The usual port, which nobody set, may be taken by now: then one worker goes without, and says so.
    if settings.api_workers > 1 or "grpc_port" in settings.model_fields_set:
        settle(grpc_port=port, grpc_share_port=settings.grpc_share_port or settings.api_workers > 1)
    typer.echo(f"gRPC at {settings.api_host}:{port}", err=True)


def prepare() -> None:
    """Meets the workers' needs in the open, where an operator sees in one line what is missing."""
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
