"""`feedback dataset`: what models are trained on: list, compile."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from feedback_assets.resources import LogResource

PROJECT = typer.Option("default", help="The project whose datasets they are.")
RECIPE = typer.Argument(help="A file with the recipe as JSON.")
AT = typer.Option(None, help="The offset of the log to compile at; by default its end.")
JSON = typer.Option(False, "--json", help="Answer as one JSON line.")
JSON_LINES = typer.Option(False, "--json", help="Answer as JSON lines.")
dataset = typer.Typer(help="Datasets: list, compile.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(dataset, name="dataset")


@dataset.command("list")
def show(project: str = PROJECT, as_json: bool = JSON_LINES) -> None:
    """Every dataset that was compiled, oldest first.

    Example: feedback dataset list --json
    """
    from feedback_loop.registry.lineage import compiled_datasets

    log, project_id = opened(project)
    with log.session() as session:
        for told in compiled_datasets(session, project_id):
            line = f"{told['dataset_version']}  {told['format']}  {told['rows']} rows  offset {told['log_offset']}"
            typer.echo(json.dumps(told) if as_json else line)


@dataset.command("compile")
def compile_one(
    recipe: Path = RECIPE,
    at: int | None = AT,
    project: str = PROJECT,
    as_json: bool = JSON,
) -> None:
    """Compile a dataset of what the log holds, now or as it was at an offset.

    Example: feedback dataset compile pairs.json --json
    """
    from feedback_assets.compiling import compile_dataset
    from feedback_assets.dataset_sources import of_log
    from feedback_ingest import log as event_log
    from feedback_loop.learning.recipes import recipe_of

    log, project_id = opened(project)
    wanted = recipe_of(read_recipe(recipe), log.settings.golden_share)
    with log.session() as session:
        log_offset = at if at is not None else event_log.head(session)
    with of_log(log, log_offset, log.settings.data_dir) as sources:
        made = compile_dataset(log, sources, wanted, project_id, log_offset)
    told = {"dataset_version": made.version, "rows": made.manifest["rows"], "folder": str(made.folder.resolve()),
            "row_digest": made.manifest["row_digest"], "outcomes": made.manifest["outcomes"]}  # fmt: skip
    typer.echo(json.dumps(told) if as_json else f"{made.version}: {told['rows']} rows in {told['folder']}")


def opened(project: str) -> "tuple[LogResource, int]":
    """The log of this installation, and the project's id; raises NotFound."""
    from feedback_assets.resources import LogResource
    from feedback_ingest import migrate
    from feedback_ingest.keys import project_id

    log = LogResource()
    migrate.check(log.database)
    with log.session() as session:
        return log, project_id(session, project)


def read_recipe(path: Path) -> Any:
    """The JSON of a file; raises SetupError."""
    from feedback_ingest.errors import SetupError

    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read as JSON: {error}; give a file with a recipe") from error
