"""How soon a client answers with a model that was retrained after a drift, and what the graph's part in that is."""

from itertools import pairwise
from typing import NamedTuple

from benchmarks.graph_times import retraining_times
from benchmarks.plays import Play

DRIFT_AFTER_S = 25.0
MAY_LOSE = 0.05
"""A model has recovered where it reads the other scanner's images as the first read the old one's, to this."""
DRIFTED_WITHIN_S, SERVED_WITHIN_S, MEASURED_WITHIN_S = 60.0, 120.0, 20.0


class Reaction(NamedTuple):
    """Seconds of one drift; `signal` is the stream's alert about the version that served then."""

    drift_to_signal_s: float
    drift_to_serving_s: float
    """From the signal until the app had loaded the version that was retrained first."""
    drift_to_recovered_s: float
    """From the drift itself until the app had loaded a version that knows the new world."""
    signal_to_training_s: float
    """Until the training code began; what follows are its parts."""
    signal_to_refresh_s: float
    refresh_to_report_s: float
    report_to_decision_s: float
    decision_to_run_s: float
    run_to_start_s: float
    start_to_dataset_s: float
    dataset_to_training_s: float


def served_drift(play: Play) -> Reaction:
    """Plays until the app serves a model that has recovered."""
    play.until(lambda: play.drifted_at is not None, DRIFTED_WITHIN_S, "the drift")
    assert play.drifted_at is not None
    drifted_s = play.drifted_at.timestamp()
    first = next(iter(play.served))
    play.until(lambda: len(play.served) > 1, SERVED_WITHIN_S, "the retraining")
    served_s = list(play.served.values())[1].timestamp()
    play.until(lambda: _recovered(play, first) is not None, SERVED_WITHIN_S, "the recovery")
    recovered = _recovered(play, first)
    assert recovered is not None
    [triggered, *_] = play.facts("retraining_triggered")
    alerts = [fact.received_at.timestamp() for fact in play.facts("alert_raised") if fact.received_at > play.drifted_at]
    signal_s = min(alerts[0], triggered.received_at.timestamp())
    times = retraining_times(play.system.addresses.dagster_url, play.model_name, triggered.body["upto_offset"])
    decided_s = triggered.received_at.timestamp()
    moments = (signal_s, times.refresh_s, times.report_s, decided_s, *times[2:])
    in_turn = [max(signal_s, moment) for moment in moments]  # the refresh may have been at work already
    parts = [end - begin for begin, end in pairwise(in_turn)]
    return Reaction(
        signal_s - drifted_s,
        served_s - signal_s,
        play.served[recovered].timestamp() - drifted_s,
        times.training_s - signal_s,
        *parts,
    )


def _recovered(play: Play, first: str) -> str | None:
    """The first version served that does as well after the drift as the first one before it; measured by the app."""
    if set(play.accuracy) != set(play.served):
        play.measure(MEASURED_WITHIN_S)
    wanted = play.accuracy[first]["before"] - MAY_LOSE
    return next((version for version in play.served if play.accuracy[version]["after"] >= wanted), None)
