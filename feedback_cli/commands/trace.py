"""`feedback trace`: where a feedback went, from its receipt to the models that learnt from it."""

import json

import typer

ID = typer.Argument(help="The feedback's id.")
PROJECT = typer.Option("default", help="The project it was sent to.")
JSON = typer.Option(False, "--json", help="Answer as one JSON line.")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("trace")(trace)


def trace(feedback_id: str = ID, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Follow a feedback to its datasets and models; a dataset it is not in says why.

    Example: feedback trace 0192f0c1-7c1e-7a50-8a3e-000000000001
    """
    from feedback_cli.commands.keys import session
    from feedback_ingest.errors import NotFound
    from feedback_ingest.keys import project_id
    from feedback_ingest.settings import get_settings
    from feedback_loop.registry.lineage import lineage_of

    with session() as opened:
        try:
            found = lineage_of(opened, get_settings().data_dir, project_id(opened, project), feedback_id)
        except NotFound as error:
            raise NotFound(f"there is no feedback {feedback_id} in {project}") from error
    if as_json:
        typer.echo(json.dumps(found))
        return
    event, asked = found["feedback"], found["inference"]
    typer.echo(f"offset {event['offset']}  {event['feedback_type']}  received {event['received_at']}")
    model = f" of {asked['model_name']} {asked['model_version']}" if asked else ", which is not known"
    typer.echo(f"  about {event['inference_request_id']}{model}")
    for dataset in found["datasets"]:
        place = f"{dataset['split']} row {dataset['row']}" if dataset["outcome"] == "kept" else dataset["meaning"]
        typer.echo(f"  {dataset['dataset_version']}  {dataset['outcome']}  {place}")
        for model in dataset["models"]:
            typer.echo(f"    {model['model_name']} {model['model_version']}{'  serves' if model['serves'] else ''}")
            for move in model["moves"]:
                typer.echo(f"      offset {move['offset']}  {move['kind']}  {move['reason']}")
