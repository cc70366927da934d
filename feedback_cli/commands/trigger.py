"""`feedback trigger`: what starts a training beside drift; list, define, remove, fire, backtest."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from feedback_ingest.administration import Administration
    from feedback_loop.learning.standing_triggers import Trigger
    from feedback_loop.stream.standing import ProjectTriggers

PROJECT = typer.Option("default", help="The project whose triggers they are.")
MODEL = typer.Option(..., "--model", help="The model it is about.")
JSON = typer.Option(False, "--json", help="Answer as JSON lines.")
FILE = typer.Option(None, help="A JSON file that defines the trigger, which is not defined by this.")
trigger = typer.Typer(help="Triggers of trainings: list, define, remove, fire, backtest.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(trigger, name="trigger")


@contextmanager
def opened(project: str) -> "Iterator[tuple[Administration, ProjectTriggers]]":
    """An operator's work and the triggers of a project; commits when the command succeeds. Raises NotFound."""
    from feedback_cli.commands.keys import administration
    from feedback_cli.commands.models import project_id
    from feedback_loop.stream.standing import ProjectTriggers

    with administration() as work:
        yield work, ProjectTriggers(work.session, project_id(work, project))


@trigger.command("list")
def show(project: str = PROJECT, as_json: bool = JSON) -> None:
    """The triggers in force.

    Example: feedback trigger list --json
    """
    with opened(project) as (_, known):
        for each in known.every():
            wanted = f" {each.combine} ".join(f"{one.kind} {one.at_least:g}" for one in each.conditions)
            typer.echo(json.dumps(each.as_data()) if as_json else f"{each.trigger_id}  {wanted}")


@trigger.command("define")
def define(file: Path, project: str = PROJECT) -> None:
    """Define the trigger of a JSON file, or change it.

    Example: feedback trigger define weekly.json
    """
    wanted = _read(file)
    with opened(project) as (work, known):
        is_changed = known.define(wanted, work.decider, work.now)
    typer.echo(f"{wanted.trigger_id} {'is defined' if is_changed else 'was defined so already'}")


@trigger.command("remove")
def remove(trigger_id: str, project: str = PROJECT) -> None:
    """Take a trigger back.

    Example: feedback trigger remove weekly
    """
    with opened(project) as (work, known):
        known.remove(trigger_id, work.decider, work.now)
    typer.echo(f"removed {trigger_id}")


@trigger.command("fire")
def fire(trigger_id: str, model_name: str = MODEL, project: str = PROJECT) -> None:
    """Ask for a training by hand, where the trigger has the condition `manual`.

    Example: feedback trigger fire by-hand --model digits
    """
    with opened(project) as (work, known):
        offset = known.ask(trigger_id, model_name, work.decider, work.now)
    typer.echo(f"asked for at offset {offset}")


@trigger.command("backtest")
def backtest(
    trigger_id: str,
    model_name: str = MODEL,
    file: Path | None = FILE,
    project: str = PROJECT,
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """What a trigger would have started over the labelled answers of a model.

    Example: feedback trigger backtest weekly --model digits
    """
    with opened(project) as (_, known):
        found = known.backtest(_read(file) if file is not None else known.find(trigger_id), model_name)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found["told"]:
        typer.echo(f"{'fires' if one['fires'] else 'waits'}  {one['at_s']:.0f}  {one['reason']}")
    typer.echo(f"{trigger_id} would have fired {found['fired']} times over {found['labels']} labels")


def _read(file: Path) -> "Trigger":
    """The trigger of a file; raises SetupError with what is wrong and what to do."""
    import msgspec

    from feedback_ingest.errors import SetupError
    from feedback_loop.learning.standing_triggers import Trigger

    try:
        return msgspec.json.decode(file.read_bytes(), type=Trigger)
    except OSError as error:
        raise SetupError(f"cannot read {file}: {error.strerror}; check the path and its rights") from error
    except msgspec.ValidationError as error:
        raise SetupError(f"{file}: {error}; the fields are those of POST /v1/triggers") from error
    except msgspec.DecodeError as error:
        raise SetupError(f"{file} is not JSON; write one object") from error
