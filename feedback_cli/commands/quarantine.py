"""`feedback quarantine`: refused events from the shell: list, show, replay, discard."""

import json
from typing import Any

import typer

quarantine = typer.Typer(help="Refused events: list, show, replay, discard.", no_args_is_help=True)
PROJECT = typer.Option("default", help="The project whose items they are.")
AS_JSON = typer.Option(False, "--json", help="Answer as JSON lines.")
STAGE = typer.Option(None, help="Only items of this stage, such as door.")
CODE = typer.Option(None, help="Only items with this code, such as validation-failed.")
ALL = typer.Option(False, "--all", help="All held items that fit the filters, instead of named ones.")
ITEMS = typer.Argument(None, help="Ids of items, as `feedback quarantine list` shows them.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(quarantine, name="quarantine")


@quarantine.command("list")
def show_all(
    project: str = PROJECT,
    stage: str = STAGE,
    code: str = CODE,
    status: str = typer.Option("held", help="held, replayed, discarded or all."),
    limit: int = typer.Option(100, min=1, help="How many items at most, newest first."),
    as_json: bool = AS_JSON,
) -> None:
    """What was refused, newest first.

    Example: feedback quarantine list --code validation-failed --json
    """
    from feedback_cli.commands.keys import session
    from feedback_ingest.errors import SetupError
    from feedback_ingest.keys import project_id
    from feedback_ingest.quarantine import STATUSES, page

    if status not in (*STATUSES, "all"):
        raise SetupError(f"--status takes one of {', '.join(STATUSES)}, all")
    with session() as opened:
        wanted = None if status == "all" else status
        for item in page(opened, project_id(opened, project), status=wanted, stage=stage, code=code, limit=limit):
            row = summary(item)
            where = ",".join(fault["pointer"] for fault in item.faults)
            typer.echo(json.dumps(row) if as_json else f"{row['id']:>8}  {item.status:<9}  {item.code}  {where}")


@quarantine.command("show")
def show(item: int, project: str = PROJECT, as_json: bool = AS_JSON) -> None:
    """One item whole: the event as it was sent and as it was mended, `user_id` as its pseudonym.

    Example: feedback quarantine show 42 --json
    """
    from feedback_cli.commands.keys import session
    from feedback_ingest.canonical import load_pepper
    from feedback_ingest.keys import project_id
    from feedback_ingest.quarantine import find, shown
    from feedback_ingest.settings import get_settings

    with session() as opened:
        found = find(opened, project_id(opened, project), item)
        pepper = load_pepper(get_settings())
        mended = None if found.mended is None else shown(found, found.mended, pepper)
        whole = {**summary(found), "event": shown(found, found.body, pepper), "mended": mended}
    typer.echo(json.dumps(whole) if as_json else json.dumps(whole, indent=2, ensure_ascii=False))


@quarantine.command("replay")
def replay(
    items: list[int] = ITEMS,
    every: bool = ALL,
    project: str = PROJECT,
    stage: str = STAGE,
    code: str = CODE,
    as_json: bool = AS_JSON,
) -> None:
    """Send items again through the normal path, each under its own id; exit code 1 if one stays held.

    Example: feedback quarantine replay 42 43 --json
    """
    import asyncio

    from feedback_ingest.settings import get_settings

    chosen = select_items(items, every, project, stage, code)
    results = asyncio.run(replayed(get_settings(), chosen))
    for found in results:
        told = found.error.code if found.error else found.status
        row = {"id": str(found.item_id), "event_id": found.event_id, "status": told, "offset": found.log_offset}
        typer.echo(json.dumps(row) if as_json else f"{found.item_id:>8}  {told}")
    raise typer.Exit(1 if any(found.error for found in results) else 0)


@quarantine.command("discard")
def discard(
    items: list[int] = ITEMS,
    every: bool = ALL,
    project: str = PROJECT,
    stage: str = STAGE,
    code: str = CODE,
    as_json: bool = AS_JSON,
) -> None:
    """Set items aside; they can still be replayed until FEEDBACK_QUARANTINE_DAYS are over.

    Example: feedback quarantine discard 42
    """
    from feedback_cli.commands.keys import administration
    from feedback_ingest.quarantine import discard as set_aside

    chosen = select_items(items, every, project, stage, code)
    with administration() as work:
        rows = [work.session.merge(item) for item in chosen]
        set_aside(work.session, rows, work.decider, work.now)
    for item in chosen:
        row = {"id": str(item.item_id), "status": "discarded"}
        typer.echo(json.dumps(row) if as_json else f"{item.item_id:>8}  discarded")


def select_items(items: list[int] | None, every: bool, project: str, stage: str | None, code: str | None) -> list[Any]:
    """The items an operator means; raises SetupError where nobody said which, NotFound for an id that is none."""
    from feedback_cli.commands.keys import session
    from feedback_ingest.errors import SetupError
    from feedback_ingest.keys import project_id
    from feedback_ingest.quarantine import find, page

    if bool(items) == every:
        raise SetupError("name items by their ids, or say --all")
    with session() as opened:
        opened.expire_on_commit = False
        number = project_id(opened, project)
        if every:
            return page(opened, number, stage=stage, code=code, limit=1_000_000)
        return [find(opened, number, item) for item in items or []]


def summary(item: Any) -> dict[str, Any]:
    """An item without its event."""
    from feedback_ingest.quarantine import content, name_of

    kept = {"kind", "key_id", "received_at", "code", "status", "stage", "decided_at"}
    row = item.model_dump(mode="json", include=kept)
    name = name_of(item.kind, content(item))
    return {"id": str(item.item_id), **row, "event_id": name, "errors": item.faults, "offset": item.log_offset}


async def replayed(settings: Any, items: list[Any]) -> list[Any]:
    """Opens a receiver of its own in this process and sends `items` through it."""
    from feedback_cli.receiving import own_receiver
    from feedback_ingest.decisions import COMMAND_LINE, Decider
    from feedback_ingest.replay import replay as send_again

    async with own_receiver(settings) as opened:
        intake = opened.door.intake
        return await send_again(opened.database, intake, items, Decider(COMMAND_LINE, intake.receiver.pepper))
