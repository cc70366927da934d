"""Files made from a real log: its export against connectorx, and a dataset made again against its compilation."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import sqlalchemy as sa
from sqlmodel import Session

from benchmarks.full_log import SEED, multiply
from benchmarks.made_up import WORDS
from feedback_ingest import log, migrate
from feedback_ingest.canonical import load_pepper
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
RAW = "log_offset, project_id, kind, id, occurred_at, received_at, body"


def log_figures(folder: Path, size: int, rounds: int) -> dict[str, list[float]]:
    """Ratios of each round: rows a second of the export to connectorx's, and seconds of a rebuild to a compilation's.

    The log has `size` events, half of them inferences, the other half their labels.
    """
    settings = Settings(data_dir=folder, database_url=None)
    server = open_database(settings)
    database = server.sibling(f"files_{uuid4().hex[:6]}")
    migrate.upgrade(database)
    _fill(database, settings, size)
    try:
        return {
            # The first round, in which each side is loaded and started, is not told.
            "export_vs_connectorx": [_export_ratio(database, folder) for _ in range(rounds + 1)][1:],
            "rebuild_vs_compile": [_rebuild_ratio(database, settings, size) for _ in range(rounds)],
        }
    finally:
        database.close()
        server.close()


def _fill(database: Database, settings: Settings, size: int) -> None:
    words = WORDS.split()
    facts = []
    for n in range(SEED // 2):
        text, name = " ".join(words[(n * 7 + k * k) % len(words)] for k in range(35)), f"log-{n}"
        told = {"inference_request_id": name, "model_name": "tickets", "model_version": "tickets-1"}
        output = {"output_id": "A", "content": {"label": str(n % 10)}, "probabilities": [0.7, 0.2, 0.1]}
        facts.append(Fact(1, "inference", name, {**told, "inputs": {"text": text}, "outputs": [output]}, NOON))
        said = {"feedback_type": "ground_truth", "feedback_value": {"label": str(n * 7 % 10)}}
        facts.append(Fact(1, "feedback", f"log-t{n}", {**told, **said, "user_context": {"session_id": name}}, NOON))
    with Session(database.engine) as session:
        log.append(session, facts, NOON, load_pepper(settings))
        session.commit()
    for table in ("staging.event_keys", "staging.feedback_events"):
        multiply(database, table, size // SEED)
    with database.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE staging.log_head SET next_offset = {size + 1}"))


def _export_ratio(database: Database, folder: Path) -> float:
    """Both write the same feedback of the log as Parquet with zstd, in order, each in its own way.

    Theirs fetches the rows whole into memory and writes their seven columns, the body as the text it is. Ours writes
    FEEDBACK_SCHEMA: it reads every body, in pieces, and syncs the file before it takes its name. The labels are ten,
    names and sessions are each row's own.
    """
    import connectorx
    import pyarrow.parquet as pq

    from feedback_assets.exporting import Export, Span
    from feedback_assets.lake import Lake

    url = database._url
    dsn = f"postgresql://{url.username}@{quote(str(url.query.get('host') or url.host), safe='')}:5432/{url.database}"
    wanted = f"SELECT {RAW} FROM staging.feedback_events WHERE kind = 'feedback' ORDER BY log_offset"

    def ours() -> None:
        export = Export(lambda: Session(database.engine), "feedback", Span(*EVER, 2**62))
        Lake(folder / "exported").write(export.reader(), "feedback")

    def theirs() -> None:
        table = connectorx.read_sql(dsn, wanted, return_type="arrow")
        pq.write_table(table, folder / "theirs.parquet", compression="zstd")

    return _seconds(theirs) / _seconds(ours)


def _rebuild_ratio(database: Database, settings: Settings, size: int) -> float:
    """Both read the log; the rebuild also holds every byte against what was compiled."""
    from feedback_assets.compiling import compile_dataset
    from feedback_assets.dataset_sources import of_log
    from feedback_assets.rebuilding import rebuild
    from feedback_assets.resources import LogResource
    from feedback_loop.learning.recipes import Recipe

    url = database._url.render_as_string(hide_password=False)
    resource = LogResource(data_dir=str(settings.data_dir), database_url=url)
    compiled: list[str] = []

    def compile_once() -> None:
        with of_log(resource, size, settings.data_dir) as sources:
            recipe = Recipe(model_name="tickets", rows=size // 4, golden_share=settings.golden_share)
            compiled.append(compile_dataset(resource, sources, recipe, 1, size).version)

    took = _seconds(compile_once)
    return _seconds(lambda: rebuild(resource, 1, compiled[-1])) / took


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
