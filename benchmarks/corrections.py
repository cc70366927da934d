"""How soon a client answers with a model that has learnt a label, where champions go on learning."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlmodel import Session, col, select

from benchmarks.plays import Play
from feedback_loop.learning.datasets import is_golden
from feedback_loop.learning.increments import is_increment
from feedback_loop.learning.percentiles import percentiles
from feedback_loop.stream.tables import TrainingExample

CORRECTION = "explicit_correction"
FEWEST = 40
FIRST_WITHIN_S, CORRECTED_WITHIN_S, LAST_WITHIN_S = 120.0, 120.0, 60.0


class Learnt(NamedTuple):
    """A label, in Unix seconds: received, in the training queue, learnt by a champion, answered with."""

    is_correction: bool
    received_s: float
    queued_s: float
    promoted_s: float
    served_s: float

    def parts(self) -> dict[str, float]:
        """Where the time went, one after the other."""
        return {
            "received_to_queue_s": self.queued_s - self.received_s,
            "queue_to_champion_s": self.promoted_s - self.queued_s,
            "champion_to_serving_s": self.served_s - self.promoted_s,
        }


def served_corrections(play: Play, seconds: float) -> dict[str, list[float]]:
    """Of what is said in `seconds`, or until there are FEWEST corrections, once increments serve."""
    began = time.monotonic()
    play.until(lambda: any(is_increment(version) for version in play.served), FIRST_WITHIN_S, "a first increment")
    first_s, since = time.monotonic() - began, datetime.now(UTC)
    play.until(lambda: time.monotonic() > began + first_s + seconds, seconds + 1, "the labels")
    play.until(lambda: _corrections(play, since) >= FEWEST, CORRECTED_WITHIN_S, f"{FEWEST} corrections")
    said = _said(play, since, datetime.now(UTC))
    play.until(lambda: _upto(play) >= max(each.ready_offset for each in said), LAST_WITHIN_S, "the last increment")
    found = _learnt(play, said)
    waits = {
        "correction": [each.served_s - each.received_s for each in found if each.is_correction],
        "label": [each.served_s - each.received_s for each in found],
    }
    figures = {
        f"{what}_to_serving_{share}_s": [_percentile(seen, share)]
        for what, seen in waits.items()
        for share in ("p50", "p95")
    }
    for name in found[0].parts():
        figures[name] = [_percentile([each.parts()[name] for each in found], "p50")]
    return {**figures, "corrections": [float(len(waits["correction"]))], "first_increment_s": [first_s]}


def _percentile(values: Sequence[float], share: str) -> float:
    return float(percentiles(values)[share] or 0.0)


def _said(play: Play, since: datetime, until: datetime) -> list[TrainingExample]:
    """The labels received in that time which are to be learnt; golden rows never are."""
    wanted = select(TrainingExample).where(
        TrainingExample.model_name == play.model_name,
        col(TrainingExample.label).is_not(None),
        TrainingExample.received_at >= since,
        TrainingExample.received_at < until,
    )
    share = play.system.settings.golden_share
    with Session(play.system.database.engine) as session:
        found = session.exec(wanted).all()
        return [TrainingExample(**row.model_dump()) for row in found if not is_golden(row.inference_request_id, share)]


def _corrections(play: Play, since: datetime) -> int:
    return sum(row.example["feedback_type"] == CORRECTION for row in _said(play, since, datetime.now(UTC)))


def _increments(play: Play) -> list[tuple[int, float, float]]:
    """Of each increment that the app served, in turn: the offset up to which it learnt, when promoted, when loaded."""
    return [
        (fact.body["evaluation"]["log_offset"], fact.received_at.timestamp(), play.served[version].timestamp())
        for fact in play.facts("model_promoted")
        if is_increment(version := fact.body["model_version"]) and version in play.served
    ]


def _upto(play: Play) -> int:
    return max(upto for upto, _, _ in _increments(play))


def _learnt(play: Play, said: list[TrainingExample]) -> list[Learnt]:
    increments = _increments(play)
    found = []
    for row in said:
        promoted_s, served_s = next(times for upto, *times in increments if upto >= row.ready_offset)
        is_correction = row.example["feedback_type"] == CORRECTION
        received_s, queued_s = row.received_at.timestamp(), row.queued_at.timestamp()
        found.append(Learnt(is_correction, received_s, queued_s, promoted_s, served_s))
    return found
