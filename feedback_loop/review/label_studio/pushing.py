"""Pushing: a queue becomes a project there, its open items become tasks, each under its own id and never twice."""

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlmodel import Session

from feedback_ingest.canonical import canonical_json
from feedback_ingest.postgres import Database
from feedback_loop.learning.label_studio import EXTERNAL_ID, project_of, task_of
from feedback_loop.review.items import item
from feedback_loop.review.label_studio.server import PAGE, LabelStudio
from feedback_loop.review.outside.exports import Bound, record, unsent
from feedback_loop.review.outside.tables import ReviewPlace


def linked(database: Database, server: LabelStudio, at: Bound, call_back: tuple[str, str] | None) -> int:
    """The id of the queue's project there, made or changed where it is not as the queue says.

    `call_back` is the address that annotations are told to, and the secret that goes with them.
    """
    settings = project_of(at.queue, at.project)
    told = sha256(canonical_json([settings, call_back])).hexdigest()
    with Session(database.engine) as session:
        place = session.get(ReviewPlace, (at.project_id, at.queue.queue_id, at.tool))
    if place is not None and place.told == told:
        return int(place.remote_id)
    remote = int(place.remote_id) if place is not None else server.project(settings["title"])
    if remote is None:
        remote = server.create(settings)
    else:
        server.change(remote, settings)
    if call_back is not None:
        server.call_back(remote, *call_back)
    with Session(database.engine) as session:
        session.merge(ReviewPlace(**at.given, remote_id=str(remote), told=told))
        session.commit()
    return remote


def push(database: Database, server: LabelStudio, at: Bound, remote: int, now: datetime) -> int:
    """Sends what is not there yet; how many tasks that were.

    What a crash left unnoted is found there by its external id, so it is noted now and not sent again. One process at
    a time does this: see `exports.alone`.
    """
    sent = 0
    while tasks := _drawn(database, at):
        there = found(server, remote, list(tasks))
        new = [drawn for task_id, drawn in tasks.items() if task_id not in there]
        if new:
            server.add(remote, new)
            there |= found(server, remote, [task_id for task_id in tasks if task_id not in there])
        for task_id in tasks:
            if not there[task_id]["predictions"]:  # it died between the tasks of an import and their predictions
                server.predict(there[task_id]["id"], tasks[task_id]["predictions"][0])
        with Session(database.engine) as session:
            record(session, at, {task_id: str(there[task_id]["id"]) for task_id in tasks}, now)
            session.commit()
        sent += len(new)
    return sent


def found(server: LabelStudio, remote: int, task_ids: list[str]) -> dict[str, dict[str, Any]]:
    """By our task ids the tasks there; the oldest one where there are several."""
    told = server.tasks(remote, f"data.{EXTERNAL_ID}", task_ids)
    return {each["data"][EXTERNAL_ID]: each for each in sorted(told, key=lambda each: -each["id"])}


def _drawn(database: Database, at: Bound) -> dict[str, dict[str, Any]]:
    """The next tasks that are not noted as being there, by our ids, as they are to look there."""
    with Session(database.engine) as session:
        tasks = unsent(session, at, PAGE)
        shown = [item(session, at.project_id, at.queue, task) for task in tasks]
    return {task["task_id"]: task_of(at.queue, task, each) for task, each in zip(tasks, shown, strict=True)}
