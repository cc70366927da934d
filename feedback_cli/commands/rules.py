"""`feedback rules`: what is watched; list, apply a file, remove, backtest."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from feedback_ingest.administration import Administration
    from feedback_loop.stream.ruling.rule_book import ProjectRules

FILE = typer.Option(None, help="A YAML file that defines the rule.")
PROJECT = typer.Option("default", help="The project whose rules they are.")
JSON = typer.Option(False, "--json", help="Answer as JSON lines.")
rules = typer.Typer(help="Rules over rolling metrics: list, apply a file, remove, backtest.", no_args_is_help=True)


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


@rules.command("backtest")
def backtest(
    rule_id: str,
    file: Path | None = FILE,
    start: str = typer.Option("earliest", "--from", help="earliest, offset:N, ts:RFC3339 or last:24h."),
    project: str = PROJECT,
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """What a rule would have told over the log's history; with --file as the file defines it, without defining it.

    Example: feedback rules backtest accuracy_floor --from last:7d
    """
    from feedback_ingest.errors import NotFound
    from feedback_ingest.postgres import open_database
    from feedback_ingest.project_log import first_offset
    from feedback_ingest.settings import get_settings
    from feedback_loop.stream import backtesting
    from feedback_loop.stream.ruling.rule_files import read_rules

    with opened(project) as (work, known):
        drafts = {rule.rule_id: rule for rule in read_rules(file, known.known())} if file is not None else {}
        if file is not None and rule_id not in drafts:
            raise NotFound(f"{file} defines no rule {rule_id!r}")
        rule = drafts[rule_id] if file is not None else known.find(rule_id).rule
        first = first_offset(work.session, known.project_id, start, work.now, "--from")
        past = backtesting.Past(known.project_id, first, backtesting.read_upto(work.session))
    database = open_database(get_settings())
    found = backtesting.backtest(database, get_settings(), past, rule)
    database.close()
    if as_json:
        typer.echo(json.dumps({**found._asdict(), "fired": found.fired}))
        return
    for one in found.told:
        typer.echo(f"{one['offset']:>9}  {one['occurred_at']}  {one['state']:<9}  {one['model_name']} "
                   f"{one['model_version']}  {one['reason']}")  # fmt: skip
    more = "" if found.is_complete else f"; the log goes on after {found.last_offset}, see --from"
    typer.echo(f"{rule_id} would have fired {found.fired} times in {found.events} events{more}")
