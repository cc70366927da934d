"""Watches the embedded PostgreSQL under a running system and starts it again when it was killed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from feedback_ingest.errors import DatabaseUnavailable
from feedback_ingest.postgres import Database

LOOK_EVERY_S = 0.5


@contextmanager
def guarded(database: Database, say: Callable[[str], None]) -> Iterator[None]:
    """Looks after `database` in a thread of its own; the other processes connect again by themselves."""
    over = threading.Event()

    def look() -> None:
        told = ""
        while not over.wait(LOOK_EVERY_S):
            try:
                if database.revive():
                    say("PostgreSQL was killed; it runs again")
                told = ""
            except DatabaseUnavailable as error:
                if str(error) != told:
                    told = str(error)
                    say(told)

    watching = threading.Thread(target=look, name="database guard", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
