"""Keys that end, roles that bind, secrets and words that stay where they belong (failure tests 57 to 59, 61, 62)."""

import json
import re
import time
from typing import Any
from urllib.parse import quote as escape

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import Unauthenticated
from feedback_ingest.postgres import Database
from tests.api.conftest import Client
from tests.api.streams import OpenStream
from tests.api.test_access import OPERATIONS
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import MakeDoor
from tests.chaos.doors import key_for
from tests.chaos.ledger import Wire, event, sent
from tests.ingest.test_roles import test_the_receiver_cannot as forbidden_statements

pytestmark = pytest.mark.chaos
QUOTES = ("zq7' OR '1'='1", 'zq7"; DROP TABLE projects; --', "zq7') UNION SELECT 1 --", "zq7\\' OR 1=1", "zq7%27%20OR")


@pytest.mark.parametrize(("plant", "ends"), [("failpoints", True), ("forgiving", False)])
def test_a_revoked_key_ends_under_load(database: Database, make_door: MakeDoor, plant: str, ends: bool) -> None:
    """Used without a pause while it is revoked: the last receipt is at most 5 s later; with the bug it goes on."""
    door, key = make_door(plant), key_for(database)
    wire = Wire([door.url], key)
    assert wire.post("/v1/feedback", sent(event("before")))[0] == 201
    with Session(database.engine) as session:
        keys.revoke(session, keys.key_id_of(key), utc_now())
        session.commit()

    began, status, last = time.monotonic(), 201, 0.0
    while status == 201 and time.monotonic() - began < 8:
        status, _ = wire.post("/v1/feedback", sent(event(f"{time.monotonic_ns()}")))
        last = time.monotonic() - began if status == 201 else last

    assert (status == 401 and last < 5.2) == ends


def test_nobody_is_wrongly_refused_while_the_database_is_away(
    cluster: Cluster, database: Database, make_door: MakeDoor
) -> None:
    """A known key is told 503 and not 401, an unknown one 503 and never let in; later both are let in."""
    door, known, unknown = make_door(), key_for(database), key_for(database)
    assert Wire([door.url], known).post("/v1/feedback", sent(event("before")))[0] == 201

    cluster.crash()
    away = [Wire([door.url], key).post("/v1/feedback", sent(event("away")))[0] for key in (known, unknown)]
    cluster.start()

    assert away == [503, 503]
    door.wait()
    assert {Wire([door.url], key).post("/v1/feedback", sent(event("after")))[0] for key in (known, unknown)} == {201}


@pytest.mark.parametrize(("plant", "is_silent"), [("failpoints", True), ("chatty", False)])
def test_a_key_is_in_no_log(database: Database, make_door: MakeDoor, plant: str, is_silent: bool) -> None:
    """Good, bad and broken requests leave no trace of the key; a receiver that logs what it was given is noticed."""
    door, key = make_door(plant), key_for(database)

    for body in (sent(event("a")), b"{", key.encode(), json.dumps({"key": key}).encode()):
        Wire([door.url], key).post("/v1/feedback", body)
    door.stop()

    assert (key.rsplit("_", 1)[1] not in door.log.read_text()) == is_silent


def permitted(database: Database, cluster: Cluster) -> list[str]:
    """Which of the statements that the receiver's role must not run it can run."""
    role = f"door_{database._url.database}"
    cluster.run(f'CREATE ROLE "{role}" LOGIN IN ROLE feedback_receiver')
    opened, found = Database(database._url.set(username=role)), []
    [mark] = [mark for mark in forbidden_statements.pytestmark if mark.name == "parametrize"]
    for statement in mark.args[1]:
        try:
            with opened.engine.begin() as connection:
                connection.execute(text(statement))
            found.append(statement)
        except DBAPIError:
            continue
    opened.close()
    with database.engine.begin() as connection:
        connection.execute(text(f'DROP OWNED BY "{role}"'))
    cluster.run(f'DROP ROLE "{role}"')
    return found


def test_a_role_that_may_too_much_is_noticed(database: Database, cluster: Cluster) -> None:
    """The receiver's role can run none of what it must not; one grant too many, the bug planted, is found."""
    assert permitted(database, cluster) == []

    with database.engine.begin() as connection:
        connection.execute(text("GRANT UPDATE, SELECT ON credentials TO feedback_receiver"))

    assert permitted(database, cluster) == ["UPDATE credentials SET revoked_at = NULL"]


def spoken(cluster: Cluster, client: Client, key: str) -> list[str]:
    """Sends quotes in every place of every operation; the statements PostgreSQL was given that hold any of it."""
    log = cluster.folder / "log"
    place = log.stat().st_size
    on = ("log_statement = 'all'", "log_parameter_max_length = 0")
    cluster.run(*(f"ALTER SYSTEM SET {one}" for one in on), "SELECT pg_reload_conf()")
    try:
        for operation in OPERATIONS:
            for quote in QUOTES:
                _send(client, operation, quote, key)
    finally:
        cluster.run("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
    with log.open(errors="replace") as lines:
        lines.seek(place)
        told = lines.read()
    assert "SELECT" in told, "the statements were not logged"
    return [line for line in told.splitlines() if "zq7" in line]


def _send(client: Client, operation: Any, quote: str, key: str) -> None:
    path = re.sub(r"{(\w+)}", lambda _: escape(quote, safe=""), operation.path)
    content = json.dumps(dict.fromkeys(("name", "filter", "scopes", "reason"), quote)).encode()
    for query in ("", f"?cursor={escape(quote)}&limit={escape(quote)}&sort={escape(quote)}"):
        if operation.path.endswith("/stream"):  # it ends with its client
            with OpenStream(client, path + query, key, last_event_id=quote) as opened:
                assert opened.status < 500, (operation, quote)
            continue
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Idempotency-Key": '"zq7"'}
        sending = client._http.request(
            operation.method, path + query, headers=headers, content=content if operation.has_body else None
        )
        assert client.run(sending).status_code < 500, (operation, quote)


def test_no_word_of_a_client_is_part_of_a_statement(
    cluster: Cluster, database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quotes in every path, query and body: PostgreSQL sees them as parameters only. A look-up that writes the key's
    id into its statement, the bug planted, is noticed.
    """
    assert spoken(cluster, client, key_for(database, "admin", "ingest", "read", "review")) == []

    def find(session: Session, key_id: str) -> None:
        session.execute(text(f"SELECT 1 FROM credentials WHERE key_id = '{key_id}zq7'"))

    monkeypatch.setattr("api.receiver.keyring.find", find)
    assert spoken(cluster, client, key_for(database, "admin")) != []


def test_an_open_route_is_noticed(database: Database, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: a keyring that lets anybody in is found by the walk over every route."""
    stranger = f"fk_live_{'0' * 16}_{'a' * 43}"

    def let_in() -> list[str]:
        found = []
        for operation in OPERATIONS:
            headers = {"Authorization": f"Bearer {stranger}", "Content-Type": "application/json"}
            sending = client._http.request(operation.method, operation.url, headers=headers, content=b"{}")
            if client.run(sending).status_code != Unauthenticated.status:
                found.append(operation.path)
        return found

    assert let_in() == []
    with Session(database.engine) as session:
        known = keys.find(session, keys.key_id_of(key_for(database, "admin")))
    monkeypatch.setattr("api.receiver.keyring.sender_of", lambda token, _, now: _anybody(known))
    assert len(let_in()) == len(OPERATIONS)


def _anybody(known: Any) -> Any:
    from feedback_ingest.receive import Sender

    return Sender("anybody", known.credential.project_id, frozenset({"admin"}))
