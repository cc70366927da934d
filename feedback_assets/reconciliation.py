"""Live against batch: what the stream keeps up to date must be what the log says, to the last digit.

Four comparisons, each of the newest rows only, so that it costs the same on a log of any length: the changes of
attribution folded up to an offset against the attributed rows of the assets, what was added to them against the
enriched rows, and the live metrics and rewards against those worked out anew from the live tables, read in one
snapshot.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, Engine, text
from sqlmodel import Session

from feedback_assets.lake import engine as engine_of_lake
from feedback_assets.policies import waits_upto
from feedback_loop.learning.enrichers import collect as collect_enrichers
from feedback_loop.learning.enrichers import (
    collect_by_sample,
    collect_judging,
    judgements,
    judgements_schema,
    with_judgements,
)
from feedback_loop.learning.metrics import Registered, metrics_table
from feedback_loop.learning.rewards import rewards
from feedback_loop.registry.reward_models import judges

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

NEWEST_OFFSETS = 100_000
"""So many offsets of feedback are compared with the changes of attribution."""

NEWEST_ROWS = 20_000
"""So many live feedback, and the buckets that they fall in, are compared with the live metrics."""

JUDGEMENT = ("state", "model_name", "model_version", "inference_offset", "correct", "is_undone")
BUCKET = ("project_id", "model_name", "model_version", "metric", "segment", "bucket_start")
FEEDBACK = ("project_id", "feedback_id")
REWARDED_KEY = ("project_id", "inference_request_id", "metric")
INFERENCE = (
    "project_id",
    "inference_request_id",
    "log_offset",
    "model_name",
    "model_version",
    "occurred_at",
    "segments",
    "output_ids",
    "output_versions",
    "received_at",
)
"""What metrics and rewards read of an inference."""

FOLDED = """
SELECT DISTINCT ON (project_id, feedback_id) feedback_offset AS log_offset, after ->> 'state' AS state,
       after ->> 'model_name' AS model_name, after ->> 'model_version' AS model_version,
       (after ->> 'inference_offset')::bigint AS inference_offset, (after ->> 'correct')::boolean AS correct,
       (after ->> 'is_undone')::boolean AS is_undone
FROM attribution_changes
WHERE cause_offset <= :upto AND feedback_offset BETWEEN :first AND :last
ORDER BY project_id, feedback_id, change_id DESC
"""
SINCE = """
SELECT greatest(to_timestamp(floor(extract(epoch FROM min(occurred_at)) / :bucket_s) * :bucket_s),
                (SELECT max(fine_from) FROM live_horizons)) AS bucket
FROM (SELECT occurred_at FROM live_feedback ORDER BY occurred_at DESC LIMIT :newest) newest
"""
# What fell into the newest buckets by its own time, or by that of the inference it is about.
LIVE_FEEDBACK = """
SELECT row, project_id, model_name, model_version, state, correct, reward, is_undone, occurred_at, received_at
FROM live_feedback f
WHERE (occurred_at >= :since OR EXISTS (
    SELECT FROM live_inferences i WHERE i.project_id = f.project_id
       AND i.inference_request_id = f.inference_request_id AND i.occurred_at >= :since))
  AND NOT EXISTS (
    SELECT FROM live_uncounted u WHERE u.project_id = f.project_id AND u.feedback_id = f.feedback_id)
"""
LIVE_INFERENCES = """
SELECT answer FROM live_inferences i
WHERE occurred_at >= :since OR EXISTS (
    SELECT FROM live_feedback f WHERE f.project_id = i.project_id
       AND f.inference_request_id = i.inference_request_id AND f.occurred_at >= :since)
"""
LIVE_METRICS = """
SELECT project_id, model_name, model_version, metric, segment, bucket_start, numerator, denominator, squares,
       weights
FROM live_metrics WHERE bucket_start >= :since
"""
LIVE_ENRICHMENTS = """
SELECT e.project_id, e.feedback_id, coalesce(e.late_answer, e.answer)
FROM unnest(CAST(:project_id AS int[]), CAST(:feedback_id AS text[])) AS k(project_id, feedback_id)
JOIN live_enrichments e USING (project_id, feedback_id)
"""
NEWEST_REWARDED = """
SELECT min(inference_offset) AS since
FROM (SELECT inference_offset FROM live_rewards ORDER BY inference_offset DESC LIMIT :newest) newest
"""
LIVE_REWARDS = "SELECT * FROM live_rewards WHERE inference_offset >= :since"
REWARDED = "SELECT answer FROM live_inferences WHERE log_offset >= :since"
REWARDING = """
SELECT row, project_id, model_name, model_version, state, correct, reward, is_undone, occurred_at, received_at
FROM live_feedback WHERE inference_offset >= :since
"""
CLOCK = "SELECT received_at FROM live_clock"
LIVE_SEGMENTS = "SELECT project_id, name, value FROM live_segments"
LIVE_REGISTRATIONS = "SELECT project_id, metric, kind, log_offset FROM live_registrations"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How two tables compare: `compared` rows, of which `differences` (a few of them, as told by both sides) differ."""

    compared: int
    differences: int
    some: list[dict[str, Any]]
    note: str = ""

    @property
    def is_equal(self) -> bool:
        """Nothing differs."""
        return self.differences == 0


def reconcile_attribution(engine: Engine, rows: "ibis.Table", upto_offset: int) -> Reconciled:
    """The newest of `rows` (of `attributed_feedback`) against the changes folded up to `upto_offset`.

    Feedback that was set aside has no row here and is left out; the stream attributes it too.
    """
    last = rows.log_offset.max().to_pyarrow().as_py()
    if last is None:
        return Reconciled(0, 0, [], "no rows to compare")
    first = last - NEWEST_OFFSETS + 1
    columns = ["log_offset", *JUDGEMENT]
    batch = rows.filter(rows.log_offset >= first).select(columns).to_pyarrow()
    with engine.connect() as connection:
        spans = {"upto": upto_offset, "first": first, "last": last}
        live = _fetched(connection, FOLDED, spans, batch.schema)
    return _compared(batch, live, ("log_offset",), ignore_live_only=True)


def reconcile_metrics(engine: Engine, bucket_s: int) -> Reconciled:
    """The live metrics against those of the live feedback and inferences, in the newest buckets."""
    from feedback_loop.learning.schemas import METRICS_SCHEMA

    snapshot = engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with snapshot as connection:
        spans = {"bucket_s": bucket_s, "newest": NEWEST_ROWS}
        since = {"since": connection.execute(text(SINCE), spans).scalar()}
        if since["since"] is None:
            return Reconciled(0, 0, [], "no live feedback to compare")
        live = _fetched(connection, LIVE_METRICS, since, METRICS_SCHEMA)
        again = _metrics(connection, since, bucket_s)
    return _compared(again, live, BUCKET)


def reconcile_rewards(engine: Engine) -> Reconciled:
    """What the newest inferences are worth live, against what the batch's expression makes of the live feedback."""
    import ibis

    from feedback_loop.learning.schemas import REWARD_SCHEMA

    snapshot = engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with snapshot as connection:
        since = {"since": connection.execute(text(NEWEST_REWARDED), {"newest": NEWEST_ROWS}).scalar()}
        if since["since"] is None:
            return Reconciled(0, 0, [], "no policy makes rewards")
        live = _fetched(connection, LIVE_REWARDS, since, REWARD_SCHEMA)
        feedback = ibis.memtable(_live_feedback(connection, since, REWARDING))
        inferences = ibis.memtable(_answered(_answers(connection, REWARDED, since)))
        waits = waits_upto(Session(connection), 2**62)  # one that the stream has not read counts for none of these
        newest = connection.execute(text(CLOCK)).scalar_one()
        again = engine_of_lake().to_pyarrow(rewards(feedback, inferences, waits, newest))
    return _compared(again, live, REWARDED_KEY)


def reconcile_enrichments(engine: Engine, rows: "ibis.Table") -> Reconciled:
    """What the stream added to the newest of `rows` (of `enriched_feedback`) whose inference is known, to the same.

    Of the sources outside the log is compared what they answered as far as the run has read it.
    """
    columns = [column for enricher in collect_enrichers().values() for column in enricher.columns]
    columns += [column for enricher in collect_by_sample().values() for column in enricher.columns]
    columns += [column for enricher in collect_judging().values() for column in enricher.columns]
    newest = rows.filter(rows.inference_offset.notnull()).order_by(rows.log_offset.desc()).limit(NEWEST_ROWS)
    found = newest.select("project_id", "feedback_id", "context", *columns).to_pyarrow().to_pylist()
    ours = [
        {**{name: row[name] for name in (*FEEDBACK, *columns)}, **orjson.loads(row["context"] or "{}")} for row in found
    ]
    theirs = _added(engine, ours)
    pairs = [(row, {name: theirs.get(_key(row), {}).get(name) for name in row} | _named(row)) for row in ours]
    some = [{**_named(mine), "log": str(mine), "live": str(live)} for mine, live in pairs if mine != live]
    return Reconciled(len(pairs), len(some), some[:10])


def _added(engine: Engine, rows: list[dict[str, Any]]) -> dict[tuple[int, str], dict[str, Any]]:
    """What live_enrichments says of each of `rows`, by project and feedback, in one dict each."""
    added: dict[tuple[int, str], dict[str, Any]] = {}
    asked = {name: [row[name] for row in rows] for name in FEEDBACK}
    with engine.connect() as connection:
        for project_id, feedback_id, answer in connection.execute(text(LIVE_ENRICHMENTS), asked):
            added.setdefault((project_id, feedback_id), {}).update(answer)
    return added


def _key(row: Mapping[str, Any]) -> tuple[int, str]:
    return row["project_id"], row["feedback_id"]


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FEEDBACK}


def _metrics(connection: Connection, since: dict[str, Any], bucket_s: int) -> "pa.Table":
    """The metrics of the newest buckets, worked out anew."""
    import ibis
    import pyarrow as pa

    feedback = ibis.memtable(_live_feedback(connection, since))
    inferences = _live_inferences(connection, since)
    triples = pa.schema([("project_id", pa.int32()), ("name", pa.string()), ("value", pa.string())])
    admitted = ibis.memtable(_fetched(connection, LIVE_SEGMENTS, {}, triples))
    registered = [Registered(*row) for row in connection.execute(text(LIVE_REGISTRATIONS))]
    table = metrics_table(feedback, inferences, admitted, bucket_s, registered)
    return engine_of_lake().to_pyarrow(table.filter(table.bucket_start >= ibis.literal(since["since"])))


def _live_feedback(connection: Connection, since: dict[str, Any], query: str = LIVE_FEEDBACK) -> "pa.Table":
    """The live feedback as attributed rows: what was said as the row keeps it, what is judged as its columns do."""
    import pyarrow as pa

    from feedback_loop.learning.schemas import ATTRIBUTED_SCHEMA

    found = connection.execute(text(query), since).mappings().all()
    return pa.Table.from_pylist([{**each["row"], **each} for each in found], ATTRIBUTED_SCHEMA)


def _live_inferences(connection: Connection, since: dict[str, Any]) -> "ibis.Table":
    """The live inferences, with what the reward models in force make of them."""
    import ibis
    import pyarrow as pa

    rows = _answers(connection, LIVE_INFERENCES, since)
    with Session(connection) as session:
        known = judges(session, max((row["log_offset"] for row in rows), default=0))
    found = pa.Table.from_pylist(judgements(rows, known), judgements_schema())
    return with_judgements(ibis.memtable(_answered(rows)), ibis.memtable(found))


def _answers(connection: Connection, query: str, since: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [dict(answer) for (answer,) in connection.execute(text(query), since)]
    for row in rows:
        row |= {name: datetime.fromisoformat(row[name]) for name in ("occurred_at", "received_at")}
    return rows


def _answered(rows: list[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    from feedback_loop.learning.schemas import INFERENCE_SCHEMA

    return pa.Table.from_pylist(rows, pa.schema([INFERENCE_SCHEMA.field(name) for name in INFERENCE]))


def _fetched(connection: Connection, query: str, values: dict[str, Any], fields: "Iterable[pa.Field]") -> "pa.Table":
    """The result of `query` as a table of those fields, found by name."""
    import pyarrow as pa

    found = connection.execute(text(query), values).mappings().all()
    return pa.table({field.name: pa.array([row[field.name] for row in found], field.type) for field in fields})


def _compared(batch: "pa.Table", live: "pa.Table", key: tuple[str, ...], ignore_live_only: bool = False) -> Reconciled:
    """Compares two tables row by row by their key; a row that one side lacks differs."""
    ours = {tuple(row[name] for name in key): row for row in batch.to_pylist()}
    theirs = {tuple(row[name] for name in key): row for row in live.to_pylist()}
    names = ours.keys() if ignore_live_only else ours.keys() | theirs.keys()
    differing = [name for name in names if ours.get(name) != theirs.get(name)]
    some = [
        {**dict(zip(key, name, strict=True)), "log": _rest(ours.get(name), key), "live": _rest(theirs.get(name), key)}
        for name in sorted(differing)[:10]
    ]
    return Reconciled(len(names), len(differing), some)


def _rest(row: dict[str, Any] | None, key: tuple[str, ...]) -> str:
    if row is None:
        return "no such row"
    return ", ".join(f"{name}={value}" for name, value in row.items() if name not in key)
