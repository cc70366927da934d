"""The clients against a real server: one that can be killed and started again on the same port and database."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from tests.api.conftest import PEPPER, wait_until_ready
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "clients" / "python" / "src"
if str(PACKAGE) not in sys.path:
    sys.path.insert(0, str(PACKAGE))


class Api:
    """`feedback api` in a process group of its own."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None
        with Session(database.engine) as session:
            self.key = keys.create(session, "default", ["ingest", "read"], utc_now()).key
            session.commit()

    def start(self) -> None:
        """Returns when it is ready."""
        settings = {
            "FEEDBACK_GRPC": "false",
            "FEEDBACK_DATABASE_URL": self._database.url,
            "FEEDBACK_DATA_DIR": str(self._folder),
            "FEEDBACK_PEPPER": PEPPER,
        }
        command = [sys.executable, "-m", "feedback_cli", "api", "--port", str(self._port)]
        log = self._folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | settings, stdout=out, stderr=out, start_new_session=True
            )
        wait_until_ready(self.url, self._process, log, within_s=60)

    def end(self, number: signal.Signals) -> None:
        """SIGKILL to the server and its workers at once, or SIGTERM to the server."""
        assert self._process is not None
        if number == signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)
        self._process.wait(30)

    def stored(self) -> list[dict[str, Any]]:
        """Every feedback event in the log, as it was sent."""
        with Session(self._database.engine) as session:
            rows = session.execute(text("SELECT body FROM staging.feedback_events WHERE kind = 'feedback'"))
            return [json.loads(body) for (body,) in rows]

    def counts(self, of: str) -> Counter[int]:
        """How often each numbered thing that the test `of` said stands in the log, by its number, whatever its id."""
        told = (event.get("metadata") or {} for event in self.stored())
        return Counter(said["number"] for said in told if said.get("of") == of)


@pytest.fixture(scope="module")
def api(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A running API on the module's database."""
    running = Api(database, tmp_path_factory.mktemp("api"))
    running.start()
    yield running
    running.end(signal.SIGTERM)
