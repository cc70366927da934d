"""What a demo needs before its first event: a model name nobody used, a first champion, a key for the client."""

from datetime import timedelta

from sqlmodel import Session

from feedback_cli.supervision.system import System
from feedback_ingest import keys
from feedback_ingest.canonical import load_pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_loop.registry.registry import RegisteredModel, VersionTaken, champion, follow_alias, promote, register

DEMO_PROJECT = "default"
DEMO_PROJECT_ID = 1
REASON = "the first model, promoted by hand"


def first_champion(
    system: System, wanted_name: str, artifact: bytes | None, version: str | None = None
) -> RegisteredModel:
    """Registers the first model and promotes it by hand, under `wanted_name` or, where that serves already, name-2, …

    `version` defaults to name-0001; `artifact` None is a model that only its recorded answers are known of.
    """
    number = 1
    while True:
        name = wanted_name if number == 1 else f"{wanted_name}-{number}"
        number += 1
        with Session(system.database.engine) as session:
            if champion(session, DEMO_PROJECT_ID, name) is not None:
                continue
        try:
            first = register(system.database, system.settings, name, artifact, version or f"{name}-0001")
        except VersionTaken:
            continue
        with Session(system.database.engine) as session:
            promote(session, first, REASON, utc_now(), load_pepper(system.settings))
            session.commit()
        follow_alias(system.database, DEMO_PROJECT_ID, name, first.model_version)
        return first


def watcher_key(database: Database) -> keys.NewKey:
    """A key for whoever watches the demo on the dashboard; it reads, for a day."""
    with Session(database.engine) as session:
        now = utc_now()
        key = keys.create(session, DEMO_PROJECT, ["read"], now, now + timedelta(days=1), environment="demo")
        session.commit()
        return key


def client_key(database: Database) -> keys.NewKey:
    """A key for the client app: it may send events and ask which model to serve."""
    with Session(database.engine) as session:
        key = keys.create(session, DEMO_PROJECT, ["ingest"], utc_now(), environment="demo")
        session.commit()
        return key
