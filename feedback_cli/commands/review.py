"""`feedback review`: which answers people look at and where, how the queues are doing, and the tables."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from feedback_ingest.administration import Administration

PROJECT = typer.Option("default", help="The project whose review it is.")
QUEUE = typer.Argument("default", help="The queue.")
JSON = typer.Option(False, "--json", help="Answer as JSON lines.")
review = typer.Typer(
    help="Human review: policies and queues of a file, how queues are doing, and their tables.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(review, name="review")


@contextmanager
def opened(project: str) -> "Iterator[tuple[Administration, int]]":
    """An operator's work and the id of a project; commits when the command succeeds. Raises NotFound."""
    from feedback_cli.commands.keys import administration
    from feedback_cli.commands.models import project_id

    with administration() as work:
        yield work, project_id(work, project)


@review.command("policies")
def policies(project: str = PROJECT, as_json: bool = JSON) -> None:
    """The review policies in force, and what each had opened today; version 0 is a default.

    Example: feedback review policies --json
    """
    from feedback_loop.review.intake import opened_today
    from feedback_loop.stream.flagging.book import ProjectReviewPolicies

    with opened(project) as (work, mine):
        placed = ProjectReviewPolicies(work.session, mine).every()
        counts = opened_today(work.session, mine, [each.policy.policy_id for each in placed], work.now)
        for each in placed:
            policy, today = each.policy, counts[each.policy.policy_id]
            row = {**policy.as_data(), "version": each.version, "opened_today": today}
            of = f" of {policy.per_day}" if policy.per_day is not None else ""
            told = f"{policy.policy_id}  (version {each.version})  {policy.reason}, queue {policy.queue_id}"
            typer.echo(json.dumps(row) if as_json else f"{told}: {today}{of} opened today")


@review.command("apply")
def apply(file: Path, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Define the queues and policies of a YAML file; those it does not name stay as they are.

    Example: feedback review apply review.yaml
    """
    from feedback_loop.review.queues import ProjectQueues
    from feedback_loop.review.review_files import read_review
    from feedback_loop.stream.flagging.book import ProjectReviewPolicies

    wanted = read_review(file)
    with opened(project) as (work, mine):
        queues, known = ProjectQueues(work.session, mine), ProjectReviewPolicies(work.session, mine)
        for queue in wanted.queues:
            queues.define(queue, work.decider, True, work.now)
        for policy in wanted.policies:
            known.define(policy, work.decider, work.now)
    told = {
        "queues": [queue.queue_id for queue in wanted.queues],
        "policies": [policy.policy_id for policy in wanted.policies],
    }
    names = f"queues {', '.join(told['queues']) or '-'}; policies {', '.join(told['policies']) or '-'}"
    typer.echo(json.dumps(told) if as_json else f"defined: {names}")


@review.command("remove")
def remove(policy_id: str, project: str = PROJECT, as_json: bool = JSON) -> None:
    """Take a review policy back, a default one too; items it had opened stay open.

    Example: feedback review remove doubtful
    """
    from feedback_loop.stream.flagging.book import ProjectReviewPolicies

    with opened(project) as (work, mine):
        ProjectReviewPolicies(work.session, mine).remove(policy_id, work.decider, work.now)
    typer.echo(json.dumps({"removed": policy_id}) if as_json else f"removed {policy_id}")


@review.command("stats")
def stats(queue_id: str = QUEUE, project: str = PROJECT, as_json: bool = JSON) -> None:
    """How a queue is doing: what waits, agreement, and each reviewer.

    Example: feedback review stats mail --json
    """
    from feedback_loop.review import figures
    from feedback_loop.review.queues import ProjectQueues

    with opened(project) as (work, mine):
        found = figures.stats(work.session, mine, ProjectQueues(work.session, mine).get(queue_id), work.now)
    if as_json:
        typer.echo(json.dumps(found))
        return
    alpha = "-" if found["alpha"] is None else f"{found['alpha']:.3f}"
    typer.echo(f"{queue_id}: {found['waiting']} wait, {found['labels']} labels, alpha {alpha}, "
               f"{found['disputed']} disputed, {found['escalated']} escalated")  # fmt: skip
    for each in found["reviewers"]:
        gold = f"{each['gold']['right']} of {each['gold']['asked']} gold items right"
        typer.echo(f"  {each['reviewer']}: {each['labels']} labels, {each['today']} today, {gold}")


@review.command("rebuild")
def rebuild() -> None:
    """Empty the queues' tables and read them from the log again; leases end, no label is lost.

    Example: feedback review rebuild
    """
    from sqlmodel import Session

    from feedback_ingest.postgres import open_database
    from feedback_loop.review import folding

    database = open_database()
    try:
        with Session(database.engine) as session:
            last = folding.rebuild(session)
            session.commit()
    finally:
        database.close()
    typer.echo(f"folded the log up to {last}")


@review.command("label-studio")
def label_studio(as_json: bool = JSON) -> None:
    """Send what is open to Label Studio and take in what was annotated there; Dagster's sensor does the same.

    Example: feedback review label-studio
    """
    from feedback_cli.commands.keys import administration
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings
    from feedback_loop.review.label_studio.exchange import exchange

    with administration() as work:
        decider = work.decider
    database = open_database()
    try:
        done = exchange(database, get_settings(), decider)
    finally:
        database.close()
    for each in done:
        told = {"project": each.project, "queue": each.queue_id, "sent": each.sent, **each.outcomes}
        words = ", ".join(f"{count} {name}" for name, count in each.outcomes.items()) or "nothing new"
        typer.echo(json.dumps(told) if as_json else f"{each.project}/{each.queue_id}  sent {each.sent}; {words}")


@review.command("ground-truth")
def ground_truth(
    start: str | None = typer.Option(None, help="A queue whose open items become a labeling job; this costs money."),
    project: str = PROJECT,
    as_json: bool = JSON,
) -> None:
    """Take in what labeling jobs of SageMaker Ground Truth found; with --start, start one instead.

    Example: feedback review ground-truth --start mail
    """
    from feedback_cli.commands.keys import administration
    from feedback_ingest.postgres import open_database
    from feedback_ingest.settings import get_settings
    from feedback_loop.review.ground_truth import jobs
    from feedback_loop.review.ground_truth.amazon import Amazon

    with administration() as work:
        decider = work.decider
    amazon = Amazon(get_settings())
    database = open_database()
    try:
        if start is not None:
            name = jobs.start(database, amazon, project, start, decider)
            typer.echo(json.dumps({"started": name}) if as_json else f"started {name or 'nothing: no item is open'}")
            return
        found = jobs.collect(database, amazon, decider)
    finally:
        database.close()
    for each in found:
        told = {"queue": each.queue_id, "job": each.name, "state": each.state, "labelled": each.labelled}
        words = ", ".join(f"{count} {name}" for name, count in each.outcomes.items())
        row = {**told, **each.outcomes}
        typer.echo(json.dumps(row) if as_json else f"{each.name}  {each.state}, {each.labelled} labelled  {words}")
