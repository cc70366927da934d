"""What the gate's checks look at, gathered: both sides' answers, past corrections, times, propensities, segments."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from feedback_assets.gate import Comparison, Predicts, Row, labels
from feedback_assets.own_training import OwnModel
from feedback_assets.resources import LogResource
from feedback_ingest import log as event_log
from feedback_ingest.clock import monotonic_s
from feedback_ingest.log import LogRow
from feedback_loop.learning.drift import window
from feedback_loop.learning.drift_detectors import Thresholds
from feedback_loop.learning.drift_detectors.kolmogorov_smirnov import KolmogorovSmirnov
from feedback_loop.learning.gate_checks import Answered, Evidence
from feedback_loop.learning.off_policy import Logged, action_means, judge
from feedback_loop.learning.percentiles import percentiles
from feedback_loop.learning.rows import inference_row, propensity_of

TIMED = 40
"""So many answers are timed, one by one."""
SMALL = Thresholds(psi_samples=1_000_000)
"""Golden rows are always few."""


class Sides(NamedTuple):
    """Both models; the champion's is None where it has no artifact, and is then taken at its logged word."""

    candidate: Predicts
    champion: Predicts | None


def evidence(log: LogResource, found: Comparison, sides: Sides, cases: Sequence[Row]) -> Evidence:
    """Everything the checks want; `cases` are the past corrections, with their inputs (LABELED_SCHEMA)."""
    with log.session() as session:
        offsets = [row["inference_offset"] for row in found.golden if row["inference_offset"] is not None]
        inferences = event_log.at(session, offsets)
    answers = [
        _answered(row, *said, inferences.get(row["inference_offset"]))
        for row, said in zip(found.golden, found.answers, strict=True)
    ]
    recent = found.candidate.recent_rows
    return Evidence(
        trained_rows=getattr(sides.candidate, "rows", 0),
        golden=answers,
        recent=recent,
        have_inputs_moved=_moved(found.golden, recent),
        corrections=_cases(sides, cases),
        latency_ms=_latency_ms(sides.candidate, found.golden),
        off_policy=judge(logged) if (logged := logged_decisions(answers, inferences.values())) else None,
    )


def logged_decisions(answers: Sequence[Answered], inferences: Iterable[LogRow]) -> list[Logged]:
    """The golden rows that were answered with a known propensity, rewarded by being right.

    The candidate always gives its one answer: the target probability is 1 where it is the logged one, else 0.
    """
    tried = {row.id: (_said(row), propensity) for row in inferences if (propensity := propensity_of(row.body))}
    known = [(each, *tried[each.name]) for each in answers if each.name in tried]
    rewards = [float(said == each.label) for each, said, _ in known]
    means = action_means([said for _, said, _ in known], rewards)
    logged = []
    for place, (each, said, propensity) in enumerate(known):
        guesses = means[place % len(means)]
        target = float(said == each.candidate)
        logged.append(
            Logged(rewards[place], propensity, target, guesses.get(said, 0.0), guesses.get(each.candidate, 0.0))
        )
    return logged


def _said(row: LogRow) -> str | None:
    found = inference_row(row)
    return found["answer_label"] if found else None


def _answered(row: Row, candidate: str | None, champion: str | None, inference: LogRow | None) -> Answered:
    segments = inference.body.get("segments", {}) if inference is not None else {}
    names = tuple(f"{name}={value}" for name, value in sorted(segments.items()))
    return Answered(row["inference_request_id"], row["label"], candidate, champion, row["source_kind"], names)


def _cases(sides: Sides, cases: Sequence[Row]) -> list[Answered]:
    theirs: Sequence[str | None] = labels(sides.champion, cases) if sides.champion else [None] * len(cases)
    return [
        _answered(row, our, their, None)
        for row, our, their in zip(cases, labels(sides.candidate, cases), theirs, strict=True)
    ]


def _moved(golden: Sequence[Row], recent: int) -> bool:
    """Are the inputs of the recent rows spread otherwise than those of the others?"""
    newest, before = (window([], [row["inputs"] for row in rows]) for rows in (golden[:recent], golden[recent:]))
    return KolmogorovSmirnov().detect(before, newest, SMALL).is_drift


def _latency_ms(model: Predicts, golden: Sequence[Row]) -> float | None:
    if isinstance(model, OwnModel):  # asked one by one it would start a process each
        return model.latency_ms
    times = []
    for row in golden[:TIMED]:
        inputs = [orjson.loads(row["inputs"])]
        began = monotonic_s()
        model.predict(inputs)
        times.append((monotonic_s() - began) * 1000)
    return percentiles(times)["p95"]
