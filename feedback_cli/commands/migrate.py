"""`feedback migrate`: brings the database to this program's schema."""

import json

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("migrate")(migrate)


def migrate(as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line.")) -> None:
    """Create or upgrade the database; safe to run again and from many places at once.

    Example: FEEDBACK_DATA_DIR=/var/lib/feedback feedback migrate
    """
    from feedback_ingest import migrate as migrations
    from feedback_ingest.canonical import load_pepper
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings

    settings = get_settings()
    database = open_database(settings)
    migrations.upgrade(database)
    migrations.remember_pepper(database, load_pepper(settings))
    database.close()
    newest = migrations.newest()
    typer.echo(json.dumps({"schema": newest}) if as_json else f"the database is at schema {newest}")
