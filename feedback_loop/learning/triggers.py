"""Triggers: whether a model is trained anew, with the reason kept for yes and for no."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from feedback_loop.learning.drift import DriftReport


class TriggerSettings(Protocol):
    """What an operator may set; `feedback_ingest.settings.Settings` has it all."""

    retrain_min_labels: int
    retrain_cooldown_s: int
    incremental_learner: str | None


class TriggerDecision(NamedTuple):
    """Whether to train now, and why or why not, in one sentence that is kept in the log."""

    fires: bool
    reason: str
    job: str | None = None
    """The training that is due, where one is: a full one is started, increments are at work already."""


def decide(
    report: DriftReport,
    new_labels: int,
    seconds_since_training: float | None,
    training_in_progress: bool,
    settings: TriggerSettings,
    alerts: Sequence[str] = (),
) -> TriggerDecision:
    """Fires on detected drift, once enough can be learnt from it; never twice for the same rows.

    A champion that learnt mostly from the world before a drift is trained again, drift or not, once there are as many
    new labels as it learnt from: at most half of what the next one sees is old then.

    `new_labels` counts the trainable rows with an offset above that of the newest training dataset (whether its
    candidate was promoted or refused), `seconds_since_training` is None before the first. `alerts` names the rules that
    stand raised on the champion: they are cause enough only where the report sees accuracy suffer, or inputs that are
    not those the champion showed itself on.
    """
    causes = _causes(report, new_labels, alerts)
    if not causes:
        return TriggerDecision(False, "no drift: " + "; ".join(report.reasons))
    cause = "; ".join(causes)
    if training_in_progress:
        return TriggerDecision(False, f"a training is in progress already ({cause})")
    if seconds_since_training is not None and seconds_since_training < settings.retrain_cooldown_s:
        left = settings.retrain_cooldown_s - seconds_since_training
        return TriggerDecision(False, f"the last training is too recent, {left:.0f} s to wait ({cause})")
    if new_labels < settings.retrain_min_labels:
        return TriggerDecision(False, f"{new_labels} of {settings.retrain_min_labels} new labels ({cause})")
    return TriggerDecision(True, f"{cause}; {new_labels} new labels")


def _causes(report: DriftReport, new_labels: int, alerts: Sequence[str]) -> tuple[str, ...]:
    if report.detected:
        return report.reasons
    if report.outgrown_rows is not None and new_labels >= report.outgrown_rows:
        return (
            f"the {report.outgrown_rows} rows it learnt from had other inputs than it is asked now",
            *report.reasons,
        )
    if alerts and (report.accuracy_suffers or report.inputs_moved):
        return (f"alert {', '.join(sorted(alerts))} stands raised", *report.reasons)
    return ()
