"""What assets, checks and sensors may reach outside Dagster: the log in Postgres, its secret, and the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dagster as dg
from sqlmodel import Session

from feedback_assets.partitions import UPTO_TAG
from feedback_ingest import log
from feedback_ingest.canonical import Pepper, load_pepper
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings, get_settings


@cache
def _opened(data_dir: str, database_url: str | None) -> Database:
    """One database a process: its pool is shared by all who ask."""
    return open_database(get_settings().model_copy(update={"data_dir": Path(data_dir), "database_url": database_url}))


class LogResource(dg.ConfigurableResource):
    """The event log and all else in the project's Postgres; the fields are for tests, empty ones mean the settings'."""

    data_dir: str | None = None
    database_url: str | None = None

    @property
    def settings(self) -> Settings:
        """The settings, with this resource's fields in their place."""
        given = {"data_dir": Path(self.data_dir) if self.data_dir else None, "database_url": self.database_url}
        return get_settings().model_copy(update={name: value for name, value in given.items() if value})

    @property
    def database(self) -> Database:
        """The database, opened on first use; raises DatabaseUnavailable."""
        return _opened(str(self.settings.data_dir), self.settings.database_url)

    @property
    def pepper(self) -> Pepper:
        """The secret that facts are fingerprinted with; raises SetupError."""
        return load_pepper(self.settings)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that commits when the block ends well."""
        with Session(self.database.engine) as session:
            yield session
            session.commit()

    def upto_offset(self, instance: dg.DagsterInstance, run_id: str) -> int:
        """The offset up to which a run reads the log: its tag, or the head now, which is then kept as its tag.

        All assets of a run, and a re-execution of it, so agree on one offset.
        """
        run = instance.get_run_by_id(run_id)
        tag = run.tags.get(UPTO_TAG) if run else None
        if tag is None:
            with self.session() as session:
                tag = str(log.head(session))
            if run:
                instance.add_run_tags(run_id, {UPTO_TAG: tag})
        return int(tag)
