"""`feedback actors`: end users whom the loop does not listen to; list, show, suspend, restore."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from feedback_ingest.administration import Administration
    from feedback_loop.stream.trusting.actors import ProjectActors

PROJECT = typer.Option("default", help="The project whose users they are.")
REASON = typer.Option("by hand", help="Why; it is kept in the log.")
JSON = typer.Option(False, "--json", help="Answer as one JSON line.")
JSON_LINES = typer.Option(False, "--json", help="Answer as JSON lines.")
ACTOR = typer.Argument(help="A pseudonym, or the user_id that the application knows.")
actors = typer.Typer(
    help="End users and whether they are listened to: list, show, suspend, restore.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(actors, name="actors")


@contextmanager
def opened(project: str) -> "Iterator[tuple[Administration, ProjectActors]]":
    """An operator's work and the users of a project; commits when the command succeeds. Raises NotFound."""
    from feedback_cli.commands.keys import administration
    from feedback_cli.commands.models import project_id
    from feedback_loop.stream.trusting.actors import ProjectActors

    with administration() as work:
        yield work, ProjectActors(work.session, project_id(work, project))


@actors.command("list")
def show_all(
    project: str = PROJECT,
    limit: int = typer.Option(100, min=1, help="How many at most, newest first."),
    as_json: bool = JSON_LINES,
) -> None:
    """The users of whom something was decided, the last decision about each.

    Example: feedback actors list --json
    """
    with opened(project) as (_, known):
        for told in known.listed(limit):
            line = f"{told['actor']}  {told['state']:<9}  {told['reason']}"
            typer.echo(json.dumps(told, default=str) if as_json else line)


@actors.command("show")
def show(actor: str = ACTOR, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Everything that was decided of a user, and what they did on their last days.

    Example: feedback actors show u-17
    """
    from feedback_loop.stream.trusting.actors import pseudonym_of

    with opened(project) as (work, known):
        told = known.show(pseudonym_of(work.decider.pepper, known.project_id, actor))
    typer.echo(json.dumps(told, default=str) if as_json else json.dumps(told, indent=2, default=str))


@actors.command("suspend")
def suspend(actor: str = ACTOR, reason: str = REASON, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Stop listening to a user: what they say is stored, and neither counted nor learnt from.

    Example: feedback actors suspend u-17 --reason "sends from a script"
    """
    from feedback_loop.stream.trusting.actors import pseudonym_of

    with opened(project) as (work, known):
        subject = pseudonym_of(work.decider.pepper, known.project_id, actor)
        _tell(known.suspend(subject, reason, work.decider, work.now), as_json)


@actors.command("restore")
def restore(actor: str = ACTOR, reason: str = REASON, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Listen to a user again; what they said meanwhile is learnt from.

    Example: feedback actors restore u-17
    """
    from feedback_loop.stream.trusting.actors import pseudonym_of

    with opened(project) as (work, known):
        subject = pseudonym_of(work.decider.pepper, known.project_id, actor)
        _tell(known.restore(subject, reason, work.decider, work.now), as_json)


def _tell(told: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(told, default=str) if as_json else f"{told['actor']}  {told['state']}")
