"""Context from outside the log: asked for beside the stream, recorded as facts, never in anybody's way."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.errors import SetupError
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.context_sources import Question, SourceAway
from feedback_loop.stream.contexts.sources_file import read_sources
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import NOON, append, inference, kept, truth, wipe
from tests.stream.sources import ANSWERED, configured, counted, given, identity, settle
from tests.support.receivers import answering, receiving

PRO, FREE = {"plan": "pro"}, {"plan": "free"}


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


def service_at(url: str, **more: Any) -> dict[str, Any]:
    """A sources file's entry of an identity service."""
    return {"segments": {"kind": "identity_service", "url": url, **more}}


def examples(database: Database) -> dict[str, Any]:
    """The training queue's examples by feedback."""
    with Session(database.engine) as session:
        rows = session.execute(text("SELECT feedback_id, example FROM training_examples"))
        return {name: example if isinstance(example, dict) else orjson.loads(example) for name, example in rows}


def test_an_answer_comes_by_the_log_and_is_asked_for_once(
    empty: Database, settings: Settings, pepper: Pepper, tmp_path: Path
) -> None:
    """The first feedback waits for nobody and is told later; the next of that person has it at once, unasked."""
    with identity({"p_1": PRO}) as service:
        told = configured(settings, tmp_path, service_at(service.url), "127.0.0.1")
        append(empty, pepper, inference("i1"), truth("t1", "i1", 3))
        settle(empty, told)
        append(empty, pepper, inference("i2"), truth("t2", "i2", 3))
        settle(empty, told)

    assert given(empty, "segments") == {
        "t1": ({"segments": None}, {"segments": PRO}, None),
        "t2": ({"segments": PRO}, None, None),
    }
    assert len(service.arrivals) == 1
    assert orjson.loads(service.arrivals[0].body) == {"project": "default", "subjects": ["p_1"]}
    assert examples(empty)["t1"]["missing"] == ["novelty", "segments"]
    assert examples(empty)["t2"]["missing"] == ["novelty"]
    assert examples(empty)["t2"]["segments"] == PRO
    with Session(empty.engine) as session:
        [fact] = log.read(session, 0, 100, ["context_answered"])
    [answer] = fact.body["answers"]
    assert (fact.body["source"], fact.body["version"], answer["answer"]) == ("segments", "1", PRO)
    assert len(answer["digest"]) == 64


@pytest.mark.parametrize("stream_batch", [1, 600])
def test_a_rebuild_asks_nobody(
    empty: Database, settings: Settings, pepper: Pepper, tmp_path: Path, stream_batch: int
) -> None:
    """The service says something else by now: a rebuild ends with the same tables, row for row, and no request."""
    segments = {"p_1": PRO}
    with identity(segments) as service:
        told = configured(settings, tmp_path, service_at(service.url), "127.0.0.1")
        append(empty, pepper, inference("i1"), truth("t1", "i1", 3), truth("t2", "i9", 3))
        settle(empty, told)
        append(empty, pepper, inference("i9"), inference("i2"), truth("t3", "i2", 3))
        settle(empty, told)
        before = kept(empty)

        segments["p_1"] = FREE
        rebuild(empty, told.model_copy(update={"stream_batch": stream_batch}))
        settle(empty, told)

        assert kept(empty) == before
        assert given(empty, "segments")["t2"] == ({"segments": PRO}, None, None)
        assert len(service.arrivals) == 1


def test_the_last_answer_counts_until_a_new_one_is_there(
    empty: Database, settings: Settings, pepper: Pepper, tmp_path: Path
) -> None:
    """An old answer is asked for again; who comes meanwhile has the old one, who comes after it the new one."""
    segments = {"p_1": PRO}
    with identity(segments) as service:
        told = configured(settings, tmp_path, service_at(service.url, keep_s=0.000001), "127.0.0.1")
        append(empty, pepper, inference("i1"), truth("t1", "i1", 3))
        settle(empty, told)
        segments["p_1"] = FREE
        append(empty, pepper, truth("t2", "i1", 3))
        settle(empty, told)
        append(empty, pepper, truth("t3", "i1", 3))
        catch_up(empty, told)

    assert [row[0]["segments"] for row in given(empty, "segments").values()] == [None, PRO, FREE]
    assert len(service.arrivals) == 2


@pytest.mark.parametrize(
    ("answer", "reason"), [("status", "status-500"), ("silence", "timeout"), ("nonsense", "bad-answer")]
)
def test_a_service_that_is_away_blocks_nothing(
    empty: Database, settings: Settings, pepper: Pepper, tmp_path: Path, answer: str, reason: str
) -> None:
    """Feedback is attributed and queued all the same; that nothing was answered, and why, becomes a fact."""
    behave = {"status": answering(500), "silence": lambda handler, number: handler.rfile.read(1)}
    with receiving(behave.get(answer, answering(200))) as service:
        entry = service_at(service.url, timeout_s=0.2, give_up_s=0.000001)
        told = configured(settings, tmp_path, entry, "127.0.0.1")
        append(empty, pepper, inference("i1"), truth("t1", "i1", 3))
        catch_up(empty, told)
        assert examples(empty)["t1"]["missing"] == ["novelty", "segments"]
        settle(empty, told)

    assert given(empty, "segments") == {"t1": ({"segments": None}, {"segments": None}, None)}
    with Session(empty.engine) as session:
        [fact] = log.read(session, 0, 100, ["context_answered"])
    assert [each["missing"] for each in fact.body["answers"]] == [reason]


def test_who_is_not_known_is_missing(empty: Database, settings: Settings, pepper: Pepper, tmp_path: Path) -> None:
    """A person the service does not know, and feedback of nobody in particular, are told as missing."""
    nobody = truth("t2", "i1", 3)
    with identity({}) as service:
        told = configured(settings, tmp_path, service_at(service.url), "127.0.0.1")
        append(empty, pepper, inference("i1"), truth("t1", "i1", 3),
               replace(nobody, body={k: v for k, v in nobody.body.items() if k != "user_context"}))  # fmt: skip
        settle(empty, told)

    assert given(empty, "segments") == {
        "t1": ({"segments": None}, {"segments": None}, None),
        "t2": ({"segments": None}, None, None),
    }
    assert counted(empty, ANSWERED) == 1


def test_addresses_are_held_to_the_rules_of_webhooks(settings: Settings, tmp_path: Path) -> None:
    """A private address is refused when the file is read, and a name that turns private when it is asked."""
    with pytest.raises(SetupError, match="FEEDBACK_SOURCES_ALLOW"):
        read_sources(configured(settings, tmp_path, service_at("http://169.254.169.254/latest")))
    with receiving() as service:
        [source] = read_sources(configured(settings, tmp_path, service_at("http://evil.example.com/")))
        source.wire.resolve = lambda host, port: ["127.0.0.1"]  # type: ignore[attr-defined]
        with pytest.raises(SourceAway, match="target-refused"):
            asyncio.run(source.ask("default", [Question("p_1", {})], NOON))

    assert service.arrivals == []


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"Bad name": {"kind": "identity_service"}}, "begins with a letter"),
        ({"session": {"kind": "identity_service"}}, "choose another name"),
        ({"a": {"kind": "oracle"}}, "/sources/a/kind: name one of feature_file, feature_table, identity_service"),
        ({"a": {"kind": "identity_service", "uri": "x"}}, "/sources/a/uri: unknown-field; /sources/a/url: required"),
        ({"a": {"kind": "identity_service", "url": "https://e.org", "keep_s": 0}}, "/sources/a/keep_s: out-of-range"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_says_where(
    settings: Settings, tmp_path: Path, sources: dict[str, Any], said: str
) -> None:
    """The fault names the field, and what to do."""
    with pytest.raises(SetupError, match=said):
        read_sources(configured(settings, tmp_path, sources))


def asked_about(name: str, customer: Any, second: int) -> Fact:
    """An inference whose inputs name a customer."""
    fact = inference(name, second=second)
    return replace(fact, body={**fact.body, "inputs": {"customer": {"id": customer}}})


def test_features_are_those_of_the_moment(empty: Database, settings: Settings, pepper: Pepper, tmp_path: Path) -> None:
    """A Parquet file and a table in PostgreSQL give the same features: the newest that were in force at the answer."""
    later = NOON + timedelta(seconds=10)
    rows = f"""(VALUES ('7', TIMESTAMPTZ '{NOON}', 1.5, 'a'), ('7', TIMESTAMPTZ '{later}', 2.5, 'b'))
               v(customer, since, balance, "class")"""
    file, url = tmp_path / "features.parquet", tmp_path / "url"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM {rows}) TO '{file}' (FORMAT parquet)")
    url.write_text(empty.asyncpg_dsn)
    with empty.engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE features_of_test AS SELECT * FROM {rows}"))
    of = {"entity": "customer", "at": "since", "columns": ["balance", "class"], "entity_from": "customer.id"}
    told = configured(settings, tmp_path, {
        "file": {"kind": "feature_file", "path": str(file), **of},
        "table": {"kind": "feature_table", "url_file": str(url), "table": "features_of_test", **of},
    })  # fmt: skip
    asked = [("early", 7, -1), ("first", "7", 3), ("second", 7, 10), ("other", 8, 3), ("none", None, 3)]
    append(empty, pepper, *(asked_about(*each) for each in asked), *(truth(f"t-{n}", n, 3) for n, _, _ in asked))
    settle(empty, told)

    found = [{name: late and late[source] for name, (_, late, _) in given(empty, source).items()}
             for source in ("file", "table")]  # fmt: skip
    assert (
        found[0]
        == found[1]
        == {
            "t-early": None,
            "t-first": {"balance": 1.5, "class": "a"},
            "t-second": {"balance": 2.5, "class": "b"},
            "t-other": None,
            "t-none": None,
        }
    )
