"""`feedback doctor`: what is wrong, in words an operator can act on."""

import json
from collections.abc import Callable
from typing import NamedTuple

import typer

from feedback_ingest.errors import FeedbackError, SetupError


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor")(doctor)


class Finding(NamedTuple):
    """One thing looked at: fine or not, and what was seen or what to do."""

    what: str
    is_fine: bool
    seen: str


ONLY = typer.Option([], help="Look at this alone, such as `stream`; may be given several times.")


def doctor(
    only: list[str] = ONLY,
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """Look at the database, the log, the disk, the consumers and the ports; exit code 1 when something is wrong.

    Example: feedback doctor
    """
    unknown = sorted(set(only) - set(CHECKS))
    if unknown:
        raise SetupError(f"nothing here is called {unknown[0]}; --only takes {', '.join(CHECKS)}")
    findings = [look(what, check) for what, check in CHECKS.items() if not only or what in only]
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            typer.echo(f"{'ok ' if finding.is_fine else 'BAD'}  {finding.what:<10} {finding.seen}")
    raise typer.Exit(0 if all(finding.is_fine for finding in findings) else 1)


def look(what: str, check: Callable[[], str]) -> Finding:
    """Runs one check; what it raises is what is wrong."""
    try:
        return Finding(what, True, check())
    except FeedbackError as error:
        return Finding(what, False, error.detail)


def _database() -> str:
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings

    settings = get_settings()
    database = open_database(settings)
    database.close()
    return "given by FEEDBACK_DATABASE_URL" if settings.database_url else f"embedded in {settings.postgres_dir}"


def _schema() -> str:
    from feedback_ingest import migrate
    from feedback_ingest.canonical import load_pepper
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings

    database = open_database(get_settings())
    migrate.check(database)
    migrate.remember_pepper(database, load_pepper(get_settings()))
    return f"at {migrate.newest()}, with its pepper"


def _log() -> str:
    from feedback_cli.commands.keys import session
    from feedback_ingest.errors import SetupError
    from feedback_ingest.inspection import look_at_log

    with session() as opened:
        state = look_at_log(opened)
    if not state.is_whole:
        raise SetupError(f"offsets {state.first}..{state.last} hold {state.rows} events: restore the log from a backup")
    told = f"{state.rows} events, whole, head at {state.head}"
    if not state.segments:
        return told
    return f"{told}, {state.segments} sealed segments up to {state.sealed_through} ({state.sealed_bytes >> 20} MiB)"


def _disk() -> str:
    from feedback_cli.commands.keys import session
    from feedback_ingest.errors import SetupError
    from feedback_ingest.inspection import look_at_disk
    from feedback_ingest.settings import get_settings

    with session() as opened:
        use = look_at_disk(opened, get_settings().data_dir)
    told = f"database {use.database >> 20} MiB, files {use.files >> 20} MiB, {use.free >> 20} MiB free"
    if use.free < 1 << 30:
        raise SetupError(
            f"{told}: make room, or seal old events with `feedback log seal`; a full disk answers 503 storage-full"
        )
    return told


def _stream() -> str:
    from feedback_cli.commands.keys import session
    from feedback_ingest.errors import SetupError
    from feedback_loop.stream.status import status

    with session() as opened:
        stream = status(opened)
    idle = [consumer.name for consumer in stream.consumers if consumer.lag and not consumer.is_running]
    places = ", ".join(f"{consumer.name} {consumer.log_offset}" for consumer in stream.consumers)
    if idle:
        start = "feedback stream" if len(idle) == len(stream.consumers) else f"feedback stream --only {','.join(idle)}"
        raise SetupError(f"{stream.lag} events behind and not running; start it with `{start}` ({places})")
    return f"{places} of {stream.hindmost.head}, {stream.dead_letters} dead letters"


def _answers(url: str, start: str) -> str:
    import httpx

    from feedback_ingest.errors import SetupError

    try:
        answer = httpx.get(url, timeout=5, trust_env=False)
    except httpx.HTTPError as error:
        raise SetupError(f"{url} does not answer; start it with `{start}`") from error
    if answer.status_code != 200:
        raise SetupError(f"{url} answers {answer.status_code}; its log says why")
    return f"{url} answers"


def _api() -> str:
    from feedback_ingest.settings import get_settings

    settings = get_settings()
    return _answers(f"http://{settings.api_host}:{settings.api_port}/readyz", "feedback api")


def _dagster() -> str:
    from feedback_ingest.settings import get_settings

    settings = get_settings()
    return _answers(f"http://{settings.dagster_host}:{settings.dagster_port}/server_info", "feedback dagster")


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "schema": _schema,
    "log": _log,
    "disk": _disk,
    "stream": _stream,
    "api": _api,
    "dagster": _dagster,
}
