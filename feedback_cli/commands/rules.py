"""`feedback rules`: what is watched; list, apply a file, remove."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from feedback_ingest.administration import Administration
    from feedback_loop.stream.ruling.rule_book import ProjectRules

PROJECT = typer.Option("default", help="The project whose rules they are.")
JSON = typer.Option(False, "--json", help="Answer as JSON lines.")
rules = typer.Typer(help="Rules over rolling metrics: list, apply a file, remove.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(rules, name="rules")


@contextmanager
def opened(project: str) -> "Iterator[tuple[Administration, ProjectRules]]":
    """An operator's work and the rules of a project; commits when the command succeeds. Raises NotFound."""
    from feedback_cli.commands.keys import administration
    from feedback_cli.commands.models import project_id
    from feedback_ingest.settings import get_settings
    from feedback_loop.stream.ruling.rule_book import ProjectRules, defaults_of

    with administration() as work:
        yield work, ProjectRules(work.session, project_id(work, project), defaults_of(get_settings()))


@rules.command("list")
def show(project: str = PROJECT, as_json: bool = JSON) -> None:
    """The rules in force; version 0 is a default.

    Example: feedback rules list --json
    """
    with opened(project) as (_, known):
        for standard in known.every():
            rule = standard.rule
            told = f"{rule.metric} {rule.comparison} {rule.threshold:g} in {rule.window_s} s: {', '.join(rule.actions)}"
            row = {**rule.as_data(), "version": standard.version}
            typer.echo(json.dumps(row) if as_json else f"{rule.rule_id}  (version {standard.version})  {told}")


@rules.command("apply")
def apply(file: Path, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Define the rules of a YAML file; those it does not name stay as they are.

    Example: feedback rules apply rules.yaml
    """
    from feedback_loop.stream.ruling.rule_files import apply_rules, read_rules

    with opened(project) as (work, known):
        wanted = read_rules(file, known.known())
        changed = apply_rules(known, wanted, work.decider, work.now)
    told = {"defined": changed, "unchanged": [rule.rule_id for rule in wanted if rule.rule_id not in changed]}
    typer.echo(json.dumps(told) if as_json else f"defined {len(changed)} of {len(wanted)} rules anew")


@rules.command("remove")
def remove(rule_id: str, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Take a rule back, a default one too; what it raised stays as it is.

    Example: feedback rules remove accuracy_floor
    """
    with opened(project) as (work, known):
        known.remove(rule_id, work.decider, work.now)
    typer.echo(json.dumps({"removed": rule_id}) if as_json else f"removed {rule_id}")
