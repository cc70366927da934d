"""Command lines that docs and containers name, read by the programs they name; nothing is run."""

import importlib
from typing import Any

import typer.main

from tests.architecture.tree import ROOT


def _program(name: str) -> Any:
    match name:
        case "feedback":
            return typer.main.get_command(importlib.import_module("feedback_cli.main").build())
        case "dagster":
            return importlib.import_module("dagster._cli").create_dagster_cli()
        case "dagster-daemon":
            return importlib.import_module("dagster._daemon.cli").create_dagster_daemon_cli()
        case "dagster-webserver":
            return importlib.import_module("dagster_webserver.cli").create_dagster_webserver_cli()
    raise LookupError(name)


def parse_command(words: list[str]) -> None:
    """Reads a command line as its program would, and runs nothing; raises a usage error, of click or of Typer."""
    command, rest = _program(words[0]), [word.replace("/app/", f"{ROOT}/") for word in words[1:]]
    context = command.context_class(command, info_name=words[0])
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.context_class(command, parent=context, info_name=name)
    command.make_context(context.info_name, list(rest), parent=context.parent)
