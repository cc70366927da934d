"""Database roles: the receiver's own can append and hold, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from tests.api.conftest import PEPPER, Client
from tests.conftest import administer


@pytest.fixture(scope="module")
def restricted(database: Database, server: Database) -> Iterator[Database]:
    """The module's database, as a login that is a member of feedback_receiver alone."""
    name = f"door_{database._url.database}"
    administer(server, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'canary-password' IN ROLE feedback_receiver")
    opened = Database(database._url.set(username=name))
    yield opened
    opened.close()
    administer(server, f'DROP ROLE "{name}"')


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE staging.feedback_events SET body = ''",
        "DELETE FROM staging.feedback_events",
        "TRUNCATE staging.feedback_events",
        "INSERT INTO staging.feedback_events SELECT * FROM staging.feedback_events",
        "UPDATE staging.log_head SET next_offset = 1",
        "DELETE FROM staging.event_keys",
        "UPDATE staging.quarantined_items SET body = ''",
        "INSERT INTO credentials SELECT * FROM credentials",
        "UPDATE credentials SET revoked_at = NULL",
        "UPDATE projects SET events_per_day = NULL",
        "SELECT * FROM champions",
        "SELECT staging.ensure_partitions(5)",
        "CREATE TABLE staging.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "DROP TABLE staging.quarantined_items",
        "ALTER TABLE staging.feedback_events DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "SET ROLE postgres",
    ],
)
def test_the_receiver_cannot(restricted: Database, statement: str) -> None:
    """Change or delete a fact, reach the log in writing, make a key, read what is not its own, change the schema."""
    with restricted.engine.connect() as connection, pytest.raises(ProgrammingError, match=r"permission denied|must be"):
        connection.execute(text(statement))


def test_the_log_refuses_change_even_from_its_owner(database: Database) -> None:
    """The trigger stands between the owner and a fact."""
    from sqlalchemy.exc import DBAPIError

    with database.engine.begin() as connection:
        connection.execute(
            text(
                "SELECT * FROM staging.append_events('{1}', '{feedback}', '{owned}', ARRAY[''::bytea], "
                "ARRAY[now()], ARRAY[now()], ARRAY['{}'])"
            )
        )
    for statement in ("UPDATE staging.feedback_events SET body = ''", "DELETE FROM staging.feedback_events"):
        with database.engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
            connection.execute(text(statement))


def test_the_receiver_works_with_its_role(restricted: Database, database: Database, tmp_path: Path) -> None:
    """Stored, known, held, limited: `feedback api --only ingest` needs no more than the role has."""
    from sqlmodel import Session

    from api.receiver import create_app, thin
    from feedback_ingest import keys
    from feedback_ingest.canonical import Pepper
    from feedback_ingest.clock import utc_now
    from feedback_ingest.migrate import remember_pepper

    remember_pepper(database, Pepper(PEPPER.encode()))
    with Session(database.engine) as session:
        session.execute(text("UPDATE projects SET events_per_day = 100"))
        key = keys.create(session, "default", ["ingest"], utc_now()).key
        session.commit()
    client = Client(thin(create_app(Settings(data_dir=tmp_path, database_url=restricted.url, pepper=PEPPER))))
    client.open()
    event = {
        "feedback_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "inference_request_id": "r",
        "model_version": "m",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }

    answers = [client.post("/v1/feedback", key, body) for body in (event, event, {"no": 1})]
    client.close()

    assert [answer.status_code for answer in answers] == [201, 200, 422]
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM staging.quarantined_items")).scalar_one() == 1
        assert connection.execute(text("SELECT events FROM project_usage")).scalar_one() == 1
