"""`feedback demo`: the loop closing on real input, watched, measured and reported."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Played(StrEnum):
    """What an example app can play."""

    digits = "digits"
    text = "text"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


def demo(
    scenario: Annotated[Played, typer.Option(help="digits: images; text: a support desk, with preferences.")] = (
        Played.digits
    ),
    recording: Annotated[
        Path | None, typer.Option("--from", help="Play inferences.jsonl.gz and feedback.jsonl.gz of a folder.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Inferences per second; default 50, text 20, --from 100.")
    ] = None,
    model_name: Annotated[str | None, typer.Option(help="With --from: name of the model; default: its own.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses users, noise and the moment of the drift.")] = 0,
    no_drift: Annotated[bool, typer.Option("--no-drift", help="No drift: no retraining is expected.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter phases, for tests.")] = False,
    exits: Annotated[bool, typer.Option("--exit", help="Stop at the end instead of waiting for Ctrl-C.")] = False,
    deadline: Annotated[float, typer.Option(min=1, help="Longest seconds to wait for a step of the loop.")] = 150.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print demo.json instead of the table.")] = False,
) -> None:
    """Start everything, let the input drift, watch the loop heal itself; leaves demo.json in the data directory.

    Exit code 1 when a goal was missed. Example: feedback demo --scenario text --exit
    """
    from feedback_cli.demo.play import Wishes, play

    wishes = Wishes(scenario.value, recording, rate, model_name, seed, not no_drift, quick, exits, deadline)
    report = play(wishes, as_json)
    if as_json:
        typer.echo(json.dumps(report.as_json(), default=str))
    raise typer.Exit(1 if report.failures else 0)
