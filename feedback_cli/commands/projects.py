"""`feedback projects`: make and list tenants, set their quotas."""

import json

import typer

projects = typer.Typer(help="Projects (tenants): make, list, set a quota.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(projects, name="projects")


@projects.command("create")
def create(
    name: str,
    events_per_day: int = typer.Option(None, min=1, help="Events it may store on a UTC day; default: no quota."),
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """Make a project; `feedback keys create --project NAME` makes its keys.

    Example: feedback projects create shop --events-per-day 1000000
    """
    from feedback_cli.commands.keys import administration

    with administration() as work:
        project = work.create_project(name, events_per_day)
        made = project.model_dump(mode="json", include={"name", "created_at", "events_per_day"})
    typer.echo(json.dumps(made) if as_json else f"made the project {name}")


@projects.command("list")
def show(as_json: bool = typer.Option(False, "--json", help="Answer as JSON lines.")) -> None:
    """Every project, with its quota.

    Example: feedback projects list --json
    """
    from feedback_cli.commands.keys import administration

    with administration() as work:
        for project in work.projects():
            row = project.model_dump(mode="json", include={"name", "created_at", "events_per_day"})
            quota = f"{project.events_per_day} events a day" if project.events_per_day else "no quota"
            typer.echo(json.dumps(row) if as_json else f"{project.name}  {quota}")


@projects.command("quota")
def quota(
    name: str,
    events_per_day: int = typer.Option(0, min=0, help="Events it may store on a UTC day; 0 is no quota."),
    as_json: bool = typer.Option(False, "--json", help="Answer as one JSON line."),
) -> None:
    """Set or lift a project's quota; in force within five seconds.

    Example: feedback projects quota shop --events-per-day 500000
    """
    from feedback_cli.commands.keys import administration

    with administration() as work:
        work.change_project(name, events_per_day or None)
    told = {"name": name, "events_per_day": events_per_day or None}
    typer.echo(json.dumps(told) if as_json else f"{name}: {events_per_day or 'no'} events a day")
