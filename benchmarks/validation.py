"""Validation: the rules over a million rows by Great Expectations, beside the same checks written by hand in pandas.

Both start from the same measured columns, held by Arrow, and hand them to pandas, the engine that Great Expectations
works in here; both say of each rule how many rows it applies to, how many fail, and whether it holds. Row ids are off:
which rows are set aside is told by masks that DuckDB works out. What a day's validation costs in all, masks included,
is in the figures.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.servers import ROOT
from benchmarks.stream import summary

if TYPE_CHECKING:
    import pyarrow as pa

Found = dict[str, tuple[int, int, bool]]
"""Of each rule: the rows it applies to, those that fail, and whether it holds."""

# Corrections, thumbs, preferences and truths of 5,000 people about half as many answers; a few of each are wrong.
FEEDBACK = """
SELECT n + {rows} AS log_offset, 1::int AS project_id, 'f' || n AS feedback_id,
       'r' || (n * 7919 % ({rows} // 2 + 50)) AS inference_request_id, NULL::text AS model_name, 'v1' AS model_version,
       ['explicit_correction', 'explicit_binary', 'preference_pair', 'ground_truth'][n % 4 + 1] AS feedback_type,
       ['accuracy', 'satisfaction', 'win_rate', 'accuracy'][n % 4 + 1] AS metric, 'end_user' AS source_kind,
       'u' || (n % 5000) AS user_ref, NULL::text AS session_id, NULL::text AS segments, NULL::text AS tags,
       TIMESTAMPTZ '2026-03-04 00:00:00+00' + to_microseconds(n * 50000) AS occurred_at,
       TIMESTAMPTZ '2026-03-04 00:00:00+00' + to_microseconds(n * 50000) AS received_at,
       CASE WHEN n % 4 IN (0, 3) THEN CASE WHEN n % 500 = 0 THEN '"banana"' ELSE '"' || n % 7 || '"' END END AS label,
       NULL::text AS text, CASE WHEN n % 4 = 1 THEN (n % 3 > 0)::int::double END AS reward,
       CASE WHEN n % 4 = 1 THEN (n % 3 > 0)::int::double END AS number,
       CASE WHEN n % 4 = 2 THEN CASE WHEN n % 400 = 2 THEN 'Z' ELSE 'A' END END AS preferred,
       CASE WHEN n % 4 = 2 THEN 'B' END AS rejected, CASE WHEN n % 4 = 2 THEN false END AS tie,
       NULL::text AS target_feedback_id, false AS is_retraction, false AS clock_skew, true AS training_consent,
       1.0::double AS pass_probability,
       '{{"comment":"the answer of last week was better, this one leaves out ' || n % 1000 || '"}}' AS feedback_value
FROM range({rows}) t(n)
"""
INFERENCES = """
SELECT n + 1 AS log_offset, 1::int AS project_id, 'r' || n AS inference_request_id, 'm' AS model_name,
       'v1' AS model_version, TIMESTAMPTZ '2026-03-03 12:00:00+00' AS occurred_at,
       TIMESTAMPTZ '2026-03-03 12:00:00+00' AS received_at, '"' || n % 7 || '"' AS answer_label,
       NULL::text AS answer_text, ['A', 'B'] AS output_ids
FROM range({rows} // 2) t(n)
"""


def run(full: bool) -> dict[str, Any]:
    """All figures, of a million rows; `full` takes more rounds."""
    return measure(rows=1_000_000, rounds=9 if full else 5)


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """`gx_vs_hand`: the rules by Great Expectations over those by hand; `peak_gib`: what a process takes for them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.parquet"
        measure_ms = prepare(rows, path)
        peak_gib = float(apart(path))
        figures: dict[str, list[float]] = {"gx_ms": [], "hand_ms": [], "gx_vs_hand": []}
        table, compared = load(path)
        by_expectations(table, compared)  # imports, and memory taken for the first time, are no round
        by_hand(table, compared)
        for _ in range(rounds):
            began = time.perf_counter()
            said = by_expectations(table, compared)
            between = time.perf_counter()
            known = by_hand(table, compared)
            ended = time.perf_counter()
            if said != known:
                raise RuntimeError(f"the two differ: {said} and {known}")
            figures["gx_ms"].append((between - began) * 1000)
            figures["hand_ms"].append((ended - between) * 1000)
            figures["gx_vs_hand"].append((between - began) / (ended - between))
    told = summary(figures | {"masks_ms": [measure_ms], "peak_gib": [peak_gib]})
    return {name: told[name] for name in ("gx_vs_hand", "peak_gib", "figures")}


def prepare(rows: int, path: Path) -> float:
    """Stores `rows` feedback as the rules measure them; the milliseconds that measuring and the masks took."""
    import ibis
    import pyarrow.parquet as pq

    from expectations.rules import Evidence
    from expectations.validation import measured

    connection = ibis.duckdb.connect()
    connection.raw_sql("SET TimeZone = 'UTC'")
    for name, query in (("feedback", FEEDBACK), ("inferences", INFERENCES)):
        connection.raw_sql(f"CREATE TABLE {name} AS {query.format(rows=rows)}")
    feedback: ibis.Table = connection.table("feedback")
    table = measured(Evidence.gather(feedback, feedback, connection.table("inferences")))
    began = time.perf_counter()
    found = connection.to_pyarrow(table.select(*columns()))
    took_ms = (time.perf_counter() - began) * 1000
    pq.write_table(found, path)
    return took_ms


def columns() -> list[str]:
    """What both read."""
    from expectations.rules import collect
    from expectations.validation import BROKEN, WARNED

    return [*sorted({rule.column for rule in collect().values()}), BROKEN, WARNED]


def load(path: Path) -> "tuple[pa.Table, Mapping[str, Any]]":
    """The measured rows, and what the rules over tables compare them with."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    shares = {"values": [f'm "{n}"' for n in range(7)], "weights": [1 / 7] * 7}
    return table, {"label_shares_hold": shares, "volume_is_plausible": {"most": 10 * len(table)}}


def by_expectations(table: "pa.Table", compared: Mapping[str, Any]) -> Found:
    """As the asset check asks."""
    from expectations.validation import validate

    return {each.name: (each.applies, each.unexpected, each.success) for each in validate(table, compared)}


def by_hand(table: "pa.Table", compared: Mapping[str, Any]) -> Found:
    """The same checks as somebody would write them in pandas."""
    from expectations.rules import RowRule, collect

    frame = table.select(sorted({rule.column for rule in collect().values()})).to_pandas()
    found: Found = {}
    for name, rule in collect().items():
        column = frame[rule.column]
        applies = int(column.notna().sum())
        failing, holds = 0, True
        if issubclass(rule, RowRule):
            low, high = rule.minimum, rule.maximum
            bad = column < low if low is not None else column > high
            failing = int(bad.sum())
            holds = applies == 0 or 1 - failing / applies >= rule.mostly
        elif name == "inferences_are_known":
            failing = len(frame) - applies
            holds = applies / len(frame) >= 0.9
        elif name == "label_shares_hold":
            holds = divergence(column, compared[name]) < 0.5
        elif name == "volume_is_plausible":
            holds = len(frame) <= compared[name]["most"]
        found[name] = (applies, failing, holds)
    return found


def divergence(column: Any, compared: Mapping[str, Any]) -> float:
    """How far the shares of a column's values are from others, with a hundredth held out for values that are new."""
    import numpy as np

    seen = column.value_counts(normalize=True)
    known = {value: 0.99 * weight for value, weight in zip(compared["values"], compared["weights"], strict=True)}
    unseen = [value for value in seen.index if value not in known]
    known |= {value: 0.01 / len(unseen) for value in unseen}
    return float(sum(share * np.log(share / known[value]) for value, share in seen.items()))


def apart(path: Path) -> str:
    """The most memory, in GiB, that a process takes which loads the rows and asks Great Expectations once."""
    words = [sys.executable, "-m", "benchmarks.validation", str(path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    by_expectations(*load(Path(sys.argv[1])))
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3))
