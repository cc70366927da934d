"""An identity service on loopback, a sources file, and an asker that works until all is answered."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event as Flag
from typing import Any

import orjson
import yaml
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.contexts.asking import asking
from feedback_loop.stream.process import catch_up
from tests.support.receivers import Receiver, receiving
from tests.support.waiting import wait_for

OPEN = text("SELECT count(*) FROM live_contexts WHERE is_open")
ANSWERED = text("""
SELECT count(*) FROM staging.feedback_events CROSS JOIN jsonb_array_elements(body::jsonb -> 'answers')
WHERE kind = 'context_answered'
""")
ENRICHMENTS = text("""
SELECT feedback_id, answer, late_answer, waits_for FROM live_enrichments WHERE source = :source ORDER BY feedback_id
""")


@contextmanager
def identity(segments: dict[str, Any], version: str = "1") -> Iterator[Receiver]:
    """A service that knows `segments` by pseudonym, which a test may change."""
    with receiving() as service:

        def behave(handler: BaseHTTPRequestHandler, number: int) -> None:
            asked = orjson.loads(service.arrivals[number - 1].body)
            known = {name: segments[name] for name in asked["subjects"] if name in segments}
            body = orjson.dumps({"version": version, "segments": known})
            handler.send_response(200)
            handler.send_header("content-length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        service.behave = behave
        yield service


def configured(settings: Settings, folder: Path, sources: Mapping[str, Any], allow: str | None = None) -> Settings:
    """Settings with a file of these sources."""
    path = folder / "sources.yaml"
    path.write_text(yaml.safe_dump({"sources": dict(sources)}))
    return settings.model_copy(update={"sources_file": path, "sources_allow": allow})


def counted(database: Database, query: Any) -> int:
    """The number that a query tells."""
    with Session(database.engine) as session:
        return session.execute(query).scalar_one()


def settle(database: Database, settings: Settings) -> None:
    """The stream up to date, everything asked that is open, and the stream up to date with the answers."""
    catch_up(database, settings)
    expected = counted(database, ANSWERED) + counted(database, OPEN)
    with asking(database, settings, Flag()):
        wait_for(lambda: counted(database, ANSWERED) == expected)
    catch_up(database, settings)


def given(database: Database, source: str) -> dict[str, tuple[Any, Any, Any]]:
    """By feedback: what a source's answer was when the inference became known, what came later, and is waited for."""
    with Session(database.engine) as session:
        return {row[0]: tuple(row[1:]) for row in session.execute(ENRICHMENTS, {"source": source})}
