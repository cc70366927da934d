"""Webhooks in the stream: a fact becomes a message in the transaction that takes it, once for ever."""

from datetime import timedelta
from typing import Any

import pytest
from orjson import loads
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_ingest.tables import Project
from feedback_loop.learning import notices
from feedback_loop.stream import positions
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import NOON, append, pairs, truth
from tests.stream.outboxes import endpoint, endpoints, rows, wipe_all

ANYWHERE = "http://127.0.0.1/"


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log and no endpoint."""
    wipe_all(database)
    return database


@pytest.fixture
def watching(settings: Settings) -> Settings:
    """Settings of a rule that needs few samples."""
    return settings.model_copy(update={"rule_min_samples": 20})


def bad_minute(database: Database, pepper: Pepper) -> None:
    """Answers that turn out wrong, enough for an alert."""
    append(database, pepper, *pairs(0, 40), *(truth(f"x{n}", f"i{n}", 9, second=n) for n in range(40)))


def told(database: Database) -> list[str]:
    """The types of the messages in the outbox."""
    return [name for (name,) in rows(database, "SELECT event_type FROM webhook_messages ORDER BY event_type")]


def facts(database: Database, kind: str) -> int:
    """How many facts of a kind the log holds."""
    [(count,)] = rows(database, f"SELECT count(*) FROM staging.feedback_events WHERE kind = '{kind}'")
    return int(count)


def test_an_alert_is_put_out_with_its_own_commit(empty: Database, watching: Settings, pepper: Pepper) -> None:
    """As the fact is appended, so is the message; when the fact is read back from the log it is the same one."""
    endpoint(empty, pepper, ANYWHERE, "metric.breached")
    bad_minute(empty, pepper)
    # The batch that decides ends here: the fact is in the log and has not been read.
    catch_up(empty, watching, within_s=0)
    after_deciding = told(empty), facts(empty, "alert_raised")
    catch_up(empty, watching)

    assert after_deciding == (["metric.breached"], 1)
    assert told(empty) == ["metric.breached"]


def test_a_batch_that_fails_tells_nobody(
    empty: Database, watching: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Message and alert are one transaction: without the one there is not the other."""
    endpoint(empty, pepper, ANYWHERE, "metric.breached")
    bad_minute(empty, pepper)

    class PowerCut(BaseException):
        pass

    def die(*_: Any) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(positions, "advance", die)
        with pytest.raises(PowerCut):
            catch_up(empty, watching)
    before = told(empty)
    catch_up(empty, watching)

    assert (before, told(empty)) == ([], ["metric.breached"])


def test_a_rebuild_tells_nobody_again(empty: Database, watching: Settings, pepper: Pepper) -> None:
    """Every message is gone and the log is read from its first event: what was told stays told, what is new is not."""
    endpoint(empty, pepper, ANYWHERE, "metric.breached", "model.promoted")
    bad_minute(empty, pepper)
    catch_up(empty, watching)
    append(empty, pepper, Fact(1, "model_promoted", "p1", {"model_name": "digits"}, NOON))
    assert told(empty) == ["metric.breached"]
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM webhook_messages")

    rebuild(empty, watching)

    assert facts(empty, "alert_raised") == 1
    assert told(empty) == ["model.promoted"]


def test_a_restored_log_tells_nobody(empty: Database, watching: Settings, pepper: Pepper) -> None:
    """Where only the log and the endpoints are left, nobody knows what was told: nothing of the log is told again."""
    bad_minute(empty, pepper)
    catch_up(empty, watching)
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE consumer_positions")
    endpoint(empty, pepper, ANYWHERE)

    rebuild(empty, watching)

    assert told(empty) == []


def test_ids_by_chance_would_tell_twice(
    empty: Database, watching: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: a message that is not named by its fact is told with the fact and again when it is read."""
    from itertools import count

    numbers, honest = count(), notices.notice

    def by_chance(*args: Any) -> notices.Notice:
        return honest(*args)._replace(message_id=f"msg_{next(numbers)}")

    monkeypatch.setattr(notices, "notice", by_chance)
    endpoint(empty, pepper, ANYWHERE, "metric.breached")
    bad_minute(empty, pepper)
    catch_up(empty, watching)

    assert told(empty) == ["metric.breached", "metric.breached"]


def test_only_who_asked_is_told(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Neither endpoints for other types, nor disabled ones, nor those of another project."""
    with Session(empty.engine) as session:
        project = Project(name="elsewhere")
        session.add(project)
        session.commit()
        elsewhere = project.project_id or 0
    asked, _ = endpoint(empty, pepper, ANYWHERE, "model.promoted", "model.refused")
    endpoint(empty, pepper, ANYWHERE, "metric.breached")
    disabled, _ = endpoint(empty, pepper, ANYWHERE)
    with endpoints(empty, pepper) as mine:
        mine.change(mine.find(disabled), is_enabled=False)
    append(empty, pepper, *(Fact(where, "model_promoted", "p1", {}, NOON) for where in (1, elsewhere)))

    catch_up(empty, settings)

    assert rows(empty, "SELECT endpoint_id, project_id FROM webhook_messages") == [(asked, 1)]


def test_what_is_shared_with_an_endpoint_lies_sealed(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Neither its secret nor its URL's path can be read from the database or the log; another pepper opens nothing."""
    from feedback_loop.stream.webhooks.sealing import Sealer, Unsealable

    name, secret = endpoint(empty, pepper, "http://127.0.0.1/services/T0/canary-path")
    with endpoints(empty, pepper) as mine:
        found = mine.find(name)
        rotated = mine.rotate(found, found.created_at - found.created_at)

    tables = ("webhook_endpoints", "webhook_secrets", "staging.feedback_events")
    dump = "".join(str(rows(empty, f"SELECT t::text FROM {table} t")) for table in tables)
    canaries = [secret, rotated, "canary-path"]
    assert name in dump
    assert [canary for canary in canaries if canary in dump or canary.encode().hex() in dump] == []
    with pytest.raises(Unsealable):
        Sealer(Pepper(b"another")).open(found.sealed_url, name)
    with pytest.raises(Unsealable):
        Sealer(pepper).open(found.sealed_url, "we_another")


def test_who_waited_in_vain_is_told_once(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Feedback whose inference did not come is told when the log's time is past its wait, and not when read again."""
    endpoint(empty, pepper, ANYWHERE, "feedback.orphaned")
    append(empty, pepper, truth("t1", "never", 1), truth("t2", "later", 1))
    catch_up(empty, settings)
    before = told(empty)
    append(empty, pepper, *pairs(0, 1), at=utc_now() + timedelta(days=3))
    append(empty, pepper, *pairs(1, 1), at=utc_now() + timedelta(days=4))
    catch_up(empty, settings)
    found = [loads(body)["data"] for (body,) in rows(empty, "SELECT body FROM webhook_messages")]
    rebuild(empty, settings)

    assert (before, len(told(empty))) == ([], 2)
    assert sorted((each["feedback_id"], each["inference_request_id"]) for each in found) == [
        ("t1", "never"),
        ("t2", "later"),
    ]


def test_what_was_set_aside_is_told(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """The graph's fact goes out with the day, the rules and the first ids."""
    endpoint(empty, pepper, ANYWHERE, "feedback.quarantined")
    body = {"day": "2026-05-01", "rows": 1, "rules": ["rating_in_range"], "feedback_ids": ["f1"], "last_offset": 7}
    append(empty, pepper, Fact(1, "feedback_quarantined", "2026-05-01-7", body, NOON))
    catch_up(empty, settings)

    [(sent,)] = rows(empty, "SELECT body FROM webhook_messages")
    assert loads(sent)["data"] == {name: value for name, value in body.items() if name != "last_offset"}
