"""`feedback models`: which version serves, which answers beside it; promote, shadow, roll back and hold by hand."""

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from feedback_ingest.administration import Administration
    from feedback_loop.registry.tables import KnownVersion

PROJECT = typer.Option("default", help="The project whose models they are.")
REASON = typer.Option("by hand", help="Why; it is kept in the log.")
JSON = typer.Option(False, "--json", help="Answer as one JSON line.")
JSON_LINES = typer.Option(False, "--json", help="Answer as JSON lines.")
models = typer.Typer(help="Models: which version serves, and which answers beside it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(models, name="models")


@models.command("list")
def show(project: str = PROJECT, as_json: bool = JSON_LINES) -> None:
    """Every version on the shelf: which one serves, and which answers in its shadow, with what it has shown.

    Example: feedback models list --json
    """
    from sqlmodel import col, select

    from feedback_cli.commands.keys import administration
    from feedback_ingest.settings import get_settings
    from feedback_loop.registry import shadow_figures
    from feedback_loop.registry.champions import champion
    from feedback_loop.registry.shadows import shadows
    from feedback_loop.registry.tables import KnownVersion

    with administration() as work:
        mine = select(KnownVersion).where(KnownVersion.project_id == project_id(work, project))
        beside = shadows(work.session, project_id(work, project))
        for row in work.session.exec(mine.order_by(col(KnownVersion.model_name), col(KnownVersion.model_version))):
            serving = champion(work.session, row.project_id, row.model_name)
            serves = serving is not None and serving.model_version == row.model_version
            found = beside.get(row.model_name)
            is_shadow = found is not None and found.version.model_version == row.model_version
            shadow = shadow_figures.told(found, get_settings().lake_dir) if found is not None and is_shadow else None
            told = {**row.model_dump(mode="json", exclude={"project_id"}), "serves": serves, "shadow": shadow}
            held = ", held" if serves and serving is not None and serving.is_held else ""
            state = "serves" + held if serves else _seen(shadow) or ("rolled back" if row.rolled_back_at else "")
            typer.echo(json.dumps(told) if as_json else f"{row.model_name}  {row.model_version}  {state}".rstrip())


@models.command("promote")
def promote(
    model_name: str, model_version: str, reason: str = REASON, project: str = PROJECT, as_json: bool = JSON
) -> None:
    """Let a version that is on the shelf serve, without the gate.

    Example: feedback models promote digits digits-0004 --reason "measured by hand"
    """
    from feedback_cli.commands.keys import administration
    from feedback_loop.registry import by_hand

    with administration() as work:
        known = _known(work, project, model_name, model_version)
        moved = by_hand.promote(work.session, work.decider, known, reason, work.now)
        _tell(moved.model_version, model_name, as_json)


@models.command("shadow")
def shadow(
    model_name: str, model_version: str, reason: str = REASON, project: str = PROJECT, as_json: bool = JSON
) -> None:
    """Let a version that is on the shelf answer in the champion's shadow, until feedback tells which is better.

    Example: feedback models shadow digits digits-0004 --reason "to look at"
    """
    from feedback_cli.commands.keys import administration
    from feedback_loop.registry import by_hand

    with administration() as work:
        known = _known(work, project, model_name, model_version)
        by_hand.let_shadow(work.session, work.decider, known, reason, work.now)
        _tell(model_version, model_name, as_json)


@models.command("end-shadow")
def end_shadow(model_name: str, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Let the version in the champion's shadow go, whatever it has shown.

    Example: feedback models end-shadow digits
    """
    from feedback_cli.commands.keys import administration
    from feedback_loop.registry import by_hand

    with administration() as work:
        ended = by_hand.end_shadow(work.session, work.decider, project_id(work, project), model_name, work.now)
        _tell(ended.model_version, model_name, as_json)


@models.command("rollback")
def rollback(model_name: str, reason: str = REASON, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Let the version before serve again; no hold and no cool-down keeps a person from it.

    Example: feedback models rollback digits --reason "complaints from support"
    """
    from feedback_cli.commands.keys import administration
    from feedback_ingest.errors import SetupError
    from feedback_loop.registry.rollbacks import Order, roll_back

    with administration() as work:
        order = Order(
            project_id(work, project), model_name, None, reason, told={"actor": work.decider.actor}, is_by_hand=True
        )
        outcome = roll_back(work.session, order, work.now, work.decider.pepper, cooldown_s=0)
    if outcome is None or outcome.code is not None:
        raise SetupError(f"{model_name} is not rolled back: {outcome.reason if outcome else 'it was already'}")
    _tell(str(outcome.serving), model_name, as_json)


@models.command("hold")
def hold(model_name: str, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Keep a champion where it is, whatever a rule asks.

    Example: feedback models hold digits
    """
    _hold(model_name, project, True, as_json)


@models.command("release")
def release(model_name: str, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Let rules roll a champion back again.

    Example: feedback models release digits
    """
    _hold(model_name, project, False, as_json)


def project_id(work: "Administration", name: str) -> int:
    """The project of that name; raises NotFound."""
    from feedback_ingest.errors import NotFound

    found = next((one for one in work.projects() if one.name == name), None)
    if found is None or found.project_id is None:
        raise NotFound(f"there is no project {name!r}; `feedback projects list` names them")
    return found.project_id


def _known(work: "Administration", project: str, model_name: str, model_version: str) -> "KnownVersion":
    from feedback_ingest.errors import NotFound
    from feedback_loop.registry.tables import KnownVersion

    known = work.session.get(KnownVersion, (project_id(work, project), model_name, model_version))
    if known is None:
        raise NotFound(f"{model_name} {model_version} is not on the shelf; `feedback models list` names what is")
    return known


def _seen(shadow: dict[str, Any] | None) -> str:
    """What is told of a version in the shadow; nothing of any other."""
    if shadow is None:
        return ""
    return f"in the shadow, {shadow['seen']['reason'] if shadow['seen'] else 'nothing reported yet'}"


def _hold(model_name: str, project: str, is_held: bool, as_json: bool) -> None:
    from feedback_cli.commands.keys import administration
    from feedback_loop.registry import rollbacks

    with administration() as work:
        held = rollbacks.hold(work.session, work.decider, project_id(work, project), model_name, is_held, work.now)
        told: dict[str, Any] = {"model_name": model_name, "model_version": held.model_version, "is_held": is_held}
    typer.echo(json.dumps(told) if as_json else f"{model_name} {told['model_version']} {'held' if is_held else 'free'}")


def _tell(version: str, model_name: str, as_json: bool) -> None:
    typer.echo(
        json.dumps({"model_name": model_name, "model_version": version}) if as_json else f"{model_name}: {version}"
    )
