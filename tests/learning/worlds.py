"""Small worlds for the tests of learning: log rows as clients make them, and a reader that follows them one by one."""

import atexit
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import ibis
import pyarrow as pa

from feedback_ingest.log import LogRow
from feedback_loop.learning import metrics
from feedback_loop.learning.attribution import NO_WAITS, attribute, attributed, undoes
from feedback_loop.learning.datasets import labeled_set
from feedback_loop.learning.enrichers import enriched, flat, judged
from feedback_loop.learning.judges import Judge, Judges
from feedback_loop.learning.policies.attribution import Waits
from feedback_loop.learning.reward_model import RewardModel
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, INFERENCE_SCHEMA
from feedback_loop.learning.segments import ALL, Admitted, admitted

SHARE = 0.2
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JUDGES = Judges(
    [
        Judge(1, "default", 4, "r1", RewardModel({"a": 1.5, "#words": -0.3}, 50, 0.25)),
        Judge(1, "default", 40, "r2", RewardModel({"b": 0.7}, 60)),
        Judge(2, "default", 1, "lost", None),
    ]
)
"""Reward models in force: two in turn in project 1, and one in project 2 that cannot be read."""
GIVEN_SCHEMA = pa.schema(
    [
        *INFERENCE_SCHEMA,
        ("reward_score", pa.float64()),
        ("reward_model_version", pa.string()),
        ("is_judged", pa.bool_()),
    ]
)
"""Inferences with what the judges make of them."""


@cache
def engine() -> Any:
    """DuckDB in a session whose time zone is not UTC, because nothing may depend on it."""
    connection = ibis.duckdb.connect()
    atexit.register(connection.disconnect)
    connection.raw_sql("SET TimeZone = 'America/New_York'")
    connection.raw_sql(
        "SET disabled_optimizers = 'in_clause,top_n_window_elimination'"
    )  # as `feedback_assets.lake` does
    return connection


def found(expression: ibis.Table) -> list[dict[str, Any]]:
    """The rows of `expression`."""
    return engine().to_pyarrow(expression).to_pylist()


def feedback_table(rows: Iterable[dict[str, Any]]) -> ibis.Table:
    """Rows of FEEDBACK_SCHEMA as a table."""
    return ibis.memtable(pa.Table.from_pylist(list(rows), schema=FEEDBACK_SCHEMA))


def inference_table(rows: Iterable[dict[str, Any]]) -> ibis.Table:
    """Rows of INFERENCE_SCHEMA as a table, judged."""
    return ibis.memtable(judged_table(rows))


def judged_table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows of INFERENCE_SCHEMA with what JUDGES make of them (GIVEN_SCHEMA)."""
    said = [(row, judged(row, JUDGES)) for row in rows]
    return pa.Table.from_pylist([{**row, **flat(each), "is_judged": bool(each)} for row, each in said], GIVEN_SCHEMA)


def labels_of(feedback: ibis.Table, inferences: ibis.Table) -> ibis.Table:
    """The labelled set of these tables, with a fifth of it golden."""
    return labeled_set(enriched(attributed(feedback, inferences), inferences), SHARE)


def metrics_of(
    feedback: ibis.Table, inferences: ibis.Table, bucket_s: int = 10, registered: Sequence[metrics.Registered] = ()
) -> ibis.Table:
    """The metrics of these tables, by every segment that they bring."""
    table = attributed(feedback, inferences)
    return metrics.metrics_table(table, inferences, admitted(feedback, inferences), bucket_s, registered)


class Prepared:
    """An expression over a feedback and an inference table, compiled once and asked often."""

    def __init__(self, build: Callable[[ibis.Table, ibis.Table], ibis.Table]) -> None:
        feedback = ibis.table(ibis.Schema.from_pyarrow(FEEDBACK_SCHEMA), name="feedback")
        inferences = ibis.table(ibis.Schema.from_pyarrow(GIVEN_SCHEMA), name="inferences")
        built = build(feedback, inferences)
        engine()._run_pre_execute_hooks(built)  # functions of ours are made known to DuckDB
        self._sql = str(ibis.to_sql(built, dialect="duckdb"))

    def __call__(
        self, feedback: Iterable[dict[str, Any]], inferences: Iterable[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The rows of the expression over these rows."""
        connection = engine().con
        connection.register("feedback", pa.Table.from_pylist(list(feedback), schema=FEEDBACK_SCHEMA))
        connection.register("inferences", judged_table(inferences))
        return connection.sql(self._sql).to_arrow_table().to_pylist()


def given(feedback_type: str, value: dict[str, Any], feedback_id: str = "f1", **body: Any) -> LogRow:
    """A feedback as the log holds it, at offset 1 of project 1 unless moved by `at`."""
    sent = {"inference_request_id": "r1", "model_version": "v1", "feedback_type": feedback_type}
    return LogRow(1, 1, "feedback", feedback_id, NOON, NOON, sent | {"feedback_value": value} | body)


def answered(content: Any, request: str = "r1", **body: Any) -> LogRow:
    """An inference as the log holds it, with one output of `content`."""
    sent = {"inference_request_id": request, "model_version": "v1", "inputs": {"x": 1}}
    outputs = [{"output_id": "A", "content": content}]
    return LogRow(1, 1, "inference", request, NOON, NOON, sent | {"outputs": outputs} | body)


def at(row: LogRow, offset: int, project_id: int = 1, seconds: float = 0.0) -> LogRow:
    """The same fact at another place of the log, `seconds` after noon."""
    moment = NOON + timedelta(seconds=seconds)
    return LogRow(offset, project_id, row.kind, row.id, moment, moment, row.body)


def logged(rows: Sequence[LogRow], project_id: int = 1, start: int = 1) -> list[LogRow]:
    """The facts in this order of arrival, as one project's log from offset `start`; their event times stay."""
    return [
        LogRow(start + place, project_id, row.kind, row.id, row.occurred_at, row.received_at, row.body)
        for place, row in enumerate(rows)
    ]


class Follower:
    """Reads the log one fact at a time, as the stream does: states, and metrics kept by changes alone."""

    def __init__(
        self, bucket_s: int = 10, registered: Iterable[metrics.Registered] = (), waits: Waits = NO_WAITS
    ) -> None:
        self.waits = waits
        self.newest: datetime | None = None
        self.feedback: dict[tuple[int, str], dict[str, Any]] = {}
        self.inferences: dict[tuple[int, str], dict[str, Any]] = {}
        self.states: dict[tuple[int, str], dict[str, Any]] = {}
        self._about: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
        self._undoing: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
        self.sums: dict[metrics.Place, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
        self.votes: dict[tuple[int, str, str], Counter[str]] = defaultdict(Counter)
        self.admitted = Admitted()
        self.registered = {(each.project_id, each.metric): each for each in registered}
        self.bucket_s = bucket_s

    def follow(self, rows: Iterable[LogRow]) -> "Follower":
        """Takes each row in turn."""
        for row in rows:
            if (inference := inference_row(row)) is not None:
                self.inferences[row.project_id, row.id] = inference
                self.admitted.admit([(row.project_id, inference["segments"])])
                own = [each for each in self.registered.values() if each.project_id == row.project_id]
                cases = metrics.cases_of(own, row.log_offset)
                self._add(metrics.inference_contributions(inference, self.bucket_s, cases), 1)
                if said := judged(inference, JUDGES):
                    self._add(metrics.judged_contributions({**inference, **flat(said)}, self.bucket_s), 1)
                touched = self._about[row.project_id, row.id]
            elif (feedback := feedback_row(row)) is not None:
                self.feedback[row.project_id, row.id] = feedback
                self.admitted.admit([(row.project_id, feedback["segments"])])
                self._about[row.project_id, feedback["inference_request_id"]].append(feedback)
                self._undoing[row.project_id, feedback["target_feedback_id"]].append(feedback)
                target = self.feedback.get((row.project_id, feedback["target_feedback_id"]))
                touched = [feedback] if target is None else [feedback, target]
            for each in touched:
                self._attribute(each)
        return self

    def until(self, newest: datetime) -> "Follower":
        """Lets time pass: the log has received something then."""
        self.newest = newest
        for feedback in self.feedback.values():
            self._attribute(feedback)
        return self

    def _attribute(self, feedback: dict[str, Any]) -> None:
        key = (feedback["project_id"], feedback["feedback_id"])
        inference = self.inferences.get((feedback["project_id"], feedback["inference_request_id"]))
        undone = any(undoes(other, feedback) for other in self._undoing[key])
        after = feedback | attribute(feedback, inference, self.waits, self.newest)._asdict() | {"is_undone": undone}
        for state, sign in ((self.states.get(key), -1), (after, 1)):
            if state is not None:
                self._add(metrics.contributions(state, inference, self.bucket_s, self.registered), sign)
                self._vote(state, inference, sign)
        self.states[key] = after

    def _vote(self, state: dict[str, Any], inference: dict[str, Any] | None, sign: int) -> None:
        vote = metrics.vote_of(state)
        if vote is None or inference is None:
            return
        votes = self.votes[state["project_id"], state["inference_request_id"], vote.question]
        before = list(votes.values())
        votes[vote.answer] += sign
        for each, times in metrics.vote_contributions(inference, self.bucket_s, before, votes.values()):
            self._add([each], times)

    def _add(self, added: list[metrics.Contribution], sign: int) -> None:
        for place, *amounts in added:
            for at, amount in enumerate(amounts):
                self.sums[place][at] = metrics.WIDE.fma(amount, sign, self.sums[place][at])

    def metrics(self) -> dict[tuple[Any, ...], tuple[Decimal, Decimal]]:
        """The numerators and denominators of everything (no segment), by key."""
        return {key[:4] + key[5:]: sums[:2] for key, sums in self.segments().items() if key[4] == ALL}

    def segments(self) -> dict[tuple[Any, ...], tuple[Decimal, ...]]:
        """What the live metrics are, by key; a sum that fell to 0/0 is absent."""
        found: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
        for place, sums in self.sums.items():
            for segment in metrics.segments_of(place, self.admitted):
                model = (place.project_id, place.model_name, place.model_version)
                key = (*model, place.metric, segment, place.bucket_start)
                found[key] = [metrics.WIDE.add(mine, more) for mine, more in zip(found[key], sums, strict=True)]
        return {key: tuple(sums) for key, sums in found.items() if any(sums)}
