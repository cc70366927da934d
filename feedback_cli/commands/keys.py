"""`feedback keys`: make, list, rotate and revoke API keys."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from sqlmodel import Session

if TYPE_CHECKING:
    from feedback_ingest.administration import Administration

ORIGIN = typer.Option(
    [], help="Page that may use a key with ingest:public, as https://HOST; may be given several times."
)
SCOPE = typer.Option(["ingest"], help="What the key may do; may be given several times.")
keys = typer.Typer(help="API keys: make, list, rotate, revoke.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(keys, name="keys")


@contextmanager
def session() -> Iterator[Session]:
    """A session that commits when the command succeeds."""
    from feedback_ingest import migrate
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings

    database = open_database(get_settings())
    migrate.check(database)
    with Session(database.engine) as opened:
        yield opened
        opened.commit()
    database.close()


@contextmanager
def administration() -> "Iterator[Administration]":
    """What an operator at the shell changes, each change a fact of the log; commits when the command succeeds."""
    from feedback_ingest.administration import Administration
    from feedback_ingest.canonical import load_pepper
    from feedback_ingest.clock import utc_now
    from feedback_ingest.decisions import COMMAND_LINE, Decider
    from feedback_ingest.settings import get_settings

    with session() as opened:
        yield Administration(opened, Decider(COMMAND_LINE, load_pepper(get_settings())), utc_now())


@keys.command("create")
def create(
    project: str = typer.Option("default", help="The project the key stands for."),
    scope: list[str] = SCOPE,
    expires_at: str = typer.Option(None, help="RFC 3339 time at which the key ends."),
    origin: list[str] = ORIGIN,
    events_per_minute: int = typer.Option(None, min=1, help="Events it may send; default: no limit, save public keys."),
    bytes_per_minute: int = typer.Option(None, min=1, help="Bytes it may send; default: no limit, save public keys."),
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """Make a key; it is shown this once.

    Example: feedback keys create --project default --scope ingest --scope read --json
    """
    from feedback_ingest.errors import SetupError
    from feedback_ingest.names import parse_time

    until = parse_time(expires_at) if expires_at else None
    if expires_at and until is None:
        raise SetupError("--expires-at takes an RFC 3339 time such as 2027-01-31T00:00:00Z")
    limits = {"origins": origin, "events_per_minute": events_per_minute, "bytes_per_minute": bytes_per_minute}
    with administration() as work:
        new, _ = work.create_key(project, scope, until, **limits)
    typer.echo(
        json.dumps({"key": new.key, "id": new.id}) if as_json else f"{new.key}\nshown this once; its id is {new.id}"
    )


@keys.command("list")
def show(as_json: bool = typer.Option(False, "--json", help="Answer as JSON lines.")) -> None:
    """Every key, without its secret.

    Example: feedback keys list --json
    """
    from feedback_ingest.keys import listed

    with session() as opened:
        for key in listed(opened):
            row = key.model_dump(mode="json", exclude={"token_sha256"})
            state = "revoked" if key.revoked_at else f"until {key.expires_at}" if key.expires_at else "active"
            typer.echo(json.dumps(row) if as_json else f"{key.key_id}  {','.join(key.scopes)}  {state}")


@keys.command("rotate")
def rotate(
    key_id: str,
    overlap_h: float = typer.Option(24.0, min=0, help="Hours for which the old key still works."),
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """Make a new key that may do the same; the old one ends after the overlap.

    Example: feedback keys rotate 0123456789abcdef --overlap-h 48
    """
    from datetime import timedelta

    with administration() as work:
        new, _ = work.rotate_key(key_id, timedelta(hours=overlap_h))
    told = {"key": new.key, "id": new.id, "replaces": key_id}
    typer.echo(json.dumps(told) if as_json else f"{new.key}\nshown this once; its id is {new.id}")


@keys.command("revoke")
def revoke(key_id: str, as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line.")) -> None:
    """End a key for good; every process knows within five seconds.

    Example: feedback keys revoke 0123456789abcdef
    """
    with administration() as work:
        work.revoke_key(key_id)
    typer.echo(json.dumps({"revoked": key_id}) if as_json else f"revoked {key_id}")
