"""Events for the stream's tests, and what its tables hold afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.log import Fact, LogRow
from feedback_ingest.postgres import Database
from feedback_loop.stream.consumers import collect
from feedback_loop.stream.status import status

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def inference(name: str, answer: Any = 3, version: str = "m1", second: int = 0) -> Fact:
    """An answered inference of the model `digits`."""
    body = {
        "inference_request_id": name,
        "model_name": "digits",
        "model_version": version,
        "inputs": {"pixels": [0, 1]},
        "outputs": [{"output_id": "A", "content": {"label": answer}, "probabilities": [0.9, 0.1]}],
    }
    return Fact(1, "inference", name, body, NOON + timedelta(seconds=second))


def feedback(name: str, about: str, kind: str, value: dict[str, Any], second: int = 0, **fields: Any) -> Fact:
    """A feedback event of one person."""
    body = {
        "inference_request_id": about,
        "model_version": "m1",
        "feedback_type": kind,
        "feedback_value": value,
        "user_context": {"user_id": "p_1"},
    }
    return Fact(1, "feedback", name, body | fields, NOON + timedelta(seconds=second))


def truth(name: str, about: str, label: Any, second: int = 0, **fields: Any) -> Fact:
    """A ground truth event."""
    return feedback(name, about, "ground_truth", {"label": label}, second, **fields)


def append(database: Database, pepper: Pepper, *facts: Fact, at: datetime | None = None) -> None:
    """Commits the facts in this order, received now or at the moment given."""
    with Session(database.engine) as session:
        log.append(session, facts, at or utc_now(), pepper)
        session.commit()


WIPE = """
ALTER TABLE staging.feedback_events DISABLE TRIGGER append_only;
DELETE FROM staging.feedback_events; DELETE FROM staging.event_keys; DELETE FROM dead_letters;
DELETE FROM consumer_positions; DELETE FROM passages; DELETE FROM rules;
DELETE FROM rule_decisions; DELETE FROM rule_evidence; UPDATE staging.log_head SET next_offset = 1
"""


def wipe(database: Database) -> None:
    """Empties the log and everything read from it; only a test may, and only by dropping the guard."""
    tables = [str(table.__tablename__) for consumer in collect().values() for table in consumer.tables]
    with database.engine.begin() as connection:
        connection.exec_driver_sql("; ".join([WIPE, *(f"DELETE FROM {table}" for table in tables)]))


WITHOUT_ORDER = {
    "live_feedback": "project_id, feedback_id, inference_request_id, state, model_name, label, correct, is_undone",
    "live_metrics": (
        "project_id, model_name, model_version, metric, segment, bucket_start, numerator, denominator, squares, weights"
    ),
    "live_votes": "project_id, inference_request_id, question, answer, votes",
    "training_examples": "project_id, feedback_id, model_name, label, reward, weight, example",
}


def tables(database: Database) -> dict[str, list[Any]]:
    """What the live tables say, without the offsets that tell the order of arrival."""
    found = {}
    with Session(database.engine) as session:
        for table, columns in WITHOUT_ORDER.items():
            order = ", ".join(str(place + 1) for place in range(min(columns.count(",") + 1, 6)))
            rows = session.execute(text(f"SELECT {columns} FROM {table} ORDER BY {order}"))
            found[table] = [tuple(row) for row in rows]
    return found


def judged(database: Database) -> dict[datetime, int]:
    """How many answers were judged in each bucket of event time, over all segments."""
    query = "SELECT bucket_start, denominator FROM live_metrics WHERE metric = 'accuracy' AND segment = ''"
    with Session(database.engine) as session:
        return {start: int(count) for start, count in session.execute(text(query))}


MOMENTS = ("occurred_at", "received_at", "bucket_start")
"""Times that the log tells; all others are of the clock on the wall when a row was written."""


def kept(database: Database) -> dict[str, list[Any]]:
    """All that the consumers keep of the log, row for row; only when it was written is left out."""
    found = {}
    names = {str(table.__tablename__) for consumer in collect().values() for table in consumer.tables}
    with Session(database.engine) as session:
        for table in sorted(names):
            columns = session.execute(COLUMNS, {"name": table, "moments": list(MOMENTS)}).scalar_one()
            rows = session.execute(text(f"SELECT {columns} FROM {table}"))
            found[table] = sorted((tuple(row) for row in rows), key=repr)
    return found


COLUMNS = text("""
SELECT string_agg(column_name || CASE WHEN data_type LIKE 'json%' THEN '::text' ELSE '' END, ', ' ORDER BY 1)
FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :name
AND (data_type NOT LIKE 'timestamp%' OR column_name = ANY(:moments))
""")


def recount(database: Database, bucket_s: int, votes_a_day: int = 20) -> list[Any]:
    """The rolling metrics counted from the log alone, by the batch driver's expressions in DuckDB."""
    import ibis
    import pyarrow as pa

    from feedback_loop.learning.attribution import attributed
    from feedback_loop.learning.metrics import metrics_table, registered_metrics
    from feedback_loop.learning.rows import feedback_row, inference_row
    from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, INFERENCE_SCHEMA
    from feedback_loop.learning.segments import admitted
    from feedback_loop.learning.trust.budgets import uncounted

    with Session(database.engine) as session:
        rows = log.read(session, 0, 1_000_000)
    said = [row for row in map(feedback_row, rows) if row is not None]
    answered = [row for row in map(inference_row, rows) if row is not None]
    about = ibis.memtable(pa.Table.from_pylist(said, FEEDBACK_SCHEMA))
    given = ibis.memtable(pa.Table.from_pylist(answered, INFERENCE_SCHEMA))
    own = registered_metrics(row for row in rows if row.kind == "metric_registered")
    told = attributed(about, given).anti_join(uncounted(about, votes_a_day), "log_offset")
    told = told.filter(~told.log_offset.isin(_held(rows, said, answered)))
    table = metrics_table(told, given, admitted(about, given), bucket_s, own)
    counted = table.to_pyarrow().to_pylist()
    columns = [name.strip() for name in WITHOUT_ORDER["live_metrics"].split(",")]
    return sorted(tuple(row[name] for name in columns) for row in counted)


def _held(rows: list[LogRow], said: list[dict[str, Any]], answered: list[dict[str, Any]]) -> list[int]:
    """The offsets of what breaks a rule that its project blocks."""
    from feedback_loop.learning.demands import KINDS, Demands

    demands, about = Demands(), {(row["project_id"], row["inference_request_id"]): row for row in answered}
    for row in rows:
        if row.kind in KINDS:
            demands.place(row)
    known = ((row, about.get((row["project_id"], row["inference_request_id"]))) for row in said)
    return [row["log_offset"] for row, inference in known if demands.holds(row, inference, rows[-1].log_offset)]


def position(database: Database) -> int:
    """Where the stream stands."""
    with Session(database.engine) as session:
        return status(session).log_offset


def pairs(first: int, count: int) -> list[Any]:
    """Inferences with their truths, a second apart."""
    numbered = range(first, first + count)
    return [fact for n in numbered for fact in (inference(f"i{n}", second=n), truth(f"t{n}", f"i{n}", n % 5, second=n))]


def wait_for_position(database: Database, at_least: int, within_s: float = 20) -> None:
    """Returns once the stream has got there."""
    until_s = monotonic_s() + within_s
    while position(database) < at_least:
        assert monotonic_s() < until_s, f"the stream stands at {position(database)}, not {at_least}"
