"""`feedback dataset`: what models are trained on: list, compile, rebuild, verify, diff, export."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from feedback_assets.resources import LogResource

PROJECT = typer.Option("default", help="The project whose datasets they are.")
RECIPE = typer.Argument(help="A file with the recipe as JSON.")
FOLDER = typer.Argument(help="The folder to write to; it is made where it is missing.")
KIND = typer.Option("parquet", "--as", help="parquet or jsonl.")
AT = typer.Option(None, help="The offset of the log to compile at; by default its end.")
JSON = typer.Option(False, "--json", help="Answer as one JSON line.")
JSON_LINES = typer.Option(False, "--json", help="Answer as JSON lines.")
dataset = typer.Typer(help="Datasets: list, compile, rebuild, verify, diff, export.", no_args_is_help=True)


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
            kind = told.get("format", "made without a recipe")
            line = f"{told['dataset_version']}  {kind}  {told['rows']} rows  offset {told['log_offset']}"
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
    from feedback_ingest.decisions import COMMAND_LINE
    from feedback_loop.learning.recipes import recipe_of

    log, project_id = opened(project)
    wanted = recipe_of(read_recipe(recipe), log.settings.golden_share)
    with log.session() as session:
        log_offset = at if at is not None else event_log.head(session)
    with of_log(log, log_offset, log.settings.data_dir) as sources:
        made = compile_dataset(log, sources, wanted, project_id, log_offset, {"actor": COMMAND_LINE})
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


@dataset.command("rebuild")
def rebuild(dataset_version: str, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Make a dataset again from the log as it was at its offset, whatever came later; exit code 1 unless every byte is
    the same.

    Example: feedback dataset rebuild digits-0003
    """
    from feedback_assets.rebuilding import rebuild as make_again

    log, project_id = opened(project)
    made = make_again(log, project_id, dataset_version)
    told = {**made._asdict(), "is_identical": True}
    typer.echo(json.dumps(told) if as_json else f"{dataset_version}: {made.rows} rows, every byte the same")


@dataset.command("verify")
def verify(dataset_version: str, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Hold every file of a dataset against its manifest; exit code 1 where a bit is another one.

    Example: feedback dataset verify digits-0003
    """
    from feedback_loop.registry.lineage import dataset_of

    log, project_id = opened(project)
    with log.session() as session:
        found = dataset_of(session, log.settings.data_dir, project_id, dataset_version)
        faults = found.faults()
    told = {"dataset_version": dataset_version, "is_whole": not faults, "faults": faults}
    typer.echo(json.dumps(told) if as_json else "; ".join(faults) or f"{dataset_version} is as it was compiled")
    if faults:
        raise typer.Exit(1)


@dataset.command("diff")
def diff(before: str, after: str, project: str = PROJECT, as_json: bool = JSON_LINES) -> None:
    """What lies between two datasets: each row added, removed or changed, why, and by which event.

    Example: feedback dataset diff digits-0002 digits-0003
    """
    from feedback_loop.registry.dataset_diff import differences
    from feedback_loop.registry.lineage import dataset_of

    log, project_id = opened(project)
    with log.session() as session:
        sides = [dataset_of(session, log.settings.data_dir, project_id, name) for name in (before, after)]
        for each in differences(session, *sides):
            event = f" (event {each['event']})" if each["event"] is not None else ""
            line = f"{each['change']:<11}  inference {each['inference_offset']}  {each['reason']}{event}"
            typer.echo(json.dumps(each) if as_json else line)


@dataset.command("export")
def export(
    dataset_version: str, folder: Path = FOLDER, kind: str = KIND, project: str = PROJECT, as_json: bool = JSON
) -> None:
    """Copy the rows of a dataset to a folder, as Parquet or as JSON lines, checked by digest.

    Example: feedback dataset export digits-0003 out --as jsonl
    """
    from feedback_assets.dataset_files import copied
    from feedback_ingest.errors import SetupError
    from feedback_loop.registry.lineage import dataset_of

    if kind not in ("parquet", "jsonl"):
        raise SetupError("--as takes parquet or jsonl")
    log, project_id = opened(project)
    with log.session() as session:
        found = dataset_of(session, log.settings.data_dir, project_id, dataset_version)
    paths = [str(path) for path in copied(found, folder, kind)]
    typer.echo(json.dumps({"files": paths}) if as_json else "\n".join(paths))
