"""Rebuilding: everything that the stream keeps, or what some of its consumers keep, is read from the log again."""

from collections.abc import Sequence

from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.groups import chosen
from feedback_loop.stream.process import leading


def rebuild(database: Database, settings: Settings, only: Sequence[str] = ()) -> int:
    """Empties the tables of the consumers of `only` (default: all) and replays the log from offset 1; where it ended.

    Raises Fenced while another process works as one of them.
    """
    with leading(database, settings, chosen(only), anew=True) as stream:
        while stream.step():
            pass
        return stream.position
