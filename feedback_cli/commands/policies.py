"""`feedback policies`: what a project has decided about each matter there is a policy for; show, set from a file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from feedback_ingest.administration import Administration
    from feedback_ingest.policies import ProjectPolicies
    from feedback_loop.learning.policies import Policy

PROJECT = typer.Option("default", help="The project whose policies they are.")
JSON = typer.Option(False, "--json", help="Answer as JSON lines.")
policies = typer.Typer(help="What a project has decided, by kind: show, set from a file.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(policies, name="policies")


@contextmanager
def opened(project: str) -> "Iterator[tuple[Administration, ProjectPolicies]]":
    """An operator's work and the policies of a project; commits when the command succeeds. Raises NotFound."""
    from feedback_cli.commands.keys import administration
    from feedback_cli.commands.models import project_id
    from feedback_ingest.policies import ProjectPolicies

    with administration() as work:
        yield work, ProjectPolicies(work.session, project_id(work, project))


@policies.command("show")
def show(kind: str | None = typer.Argument(None), project: str = PROJECT, as_json: bool = JSON) -> None:
    """The policies in force, or one kind of them; version 0 is the default.

    Example: feedback policies show validation
    """
    from feedback_loop.learning.policies import collect, in_force

    wanted = collect().values() if kind is None else [_known(kind)]
    with opened(project) as (_, mine):
        for each in wanted:
            fact = mine.newest(each.name)
            policy = in_force([fact] if fact else [], each).get(mine.project_id, each()).as_data()
            version = fact.body["version"] if fact else 0
            row = {"kind": each.name, "version": version, "policy": policy}
            typer.echo(json.dumps(row) if as_json else f"{each.name}  (version {version})  {json.dumps(policy)}")


@policies.command("set")
def set_policy(kind: str, file: Path, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Put the policy of a YAML file in force; a field that it leaves out has its default.

    Example: feedback policies set validation validation.yaml
    """
    from feedback_ingest.doors.metrics import every_metric

    with opened(project) as (work, mine):
        metrics = [metric.metric for metric in every_metric(work.session, mine.project_id)]
        policy = _read(file, _known(kind), metrics)
        is_new = mine.set(kind, policy.as_data(), work.decider, work.now)
    told = {"kind": kind, "changed": is_new}
    typer.echo(json.dumps(told) if as_json else f"{kind} policy {'set' if is_new else 'unchanged'}")


def _known(kind: str) -> "type[Policy]":
    from feedback_ingest.errors import NotFound
    from feedback_loop.learning.policies import collect

    if kind not in collect():
        raise NotFound(f"there is no policy {kind!r}; there are {', '.join(collect())}")
    return collect()[kind]


def _read(path: Path, kind: "type[Policy]", metrics: list[str]) -> "Policy":
    """The policy of a file; raises SetupError naming each field that is wrong."""
    import msgspec
    import yaml

    from feedback_ingest.envelopes import shape_faults
    from feedback_ingest.errors import SetupError

    try:
        told: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} is not YAML; write one `field: value` a line") from error
    faults = shape_faults(told, kind)
    policy = kind() if faults else msgspec.convert(told, kind)
    faults = faults or policy.faults(metrics)
    if faults:
        places = "; ".join(f"{path} {fault.pointer}: {fault.code}" for fault in faults)
        raise SetupError(f"{places}. `feedback policies show {kind.name}` shows what a policy looks like")
    return policy
