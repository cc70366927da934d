"""Which training a trigger asks for: a full one, or none because increments keep up; with the reason."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from feedback_loop.learning.drift import DriftReport

ABRUPT = 0.15
"""A loss of accuracy that no increment walks off: the world is another one."""

AGREED = 2
"""So many detectors of changed concepts that agree stand for an abrupt change, too."""


class Training(NamedTuple):
    """`full`: a dataset, a candidate, the gate; `incremental`: the champion goes on learning as labels come."""

    job: Literal["incremental", "full"]
    reason: str


def choose(report: DriftReport) -> Training:
    """For a champion that goes on learning: mild and recent drift is left to its increments.

    What is abrupt, unlike or stale is not.
    """
    if report.outgrown_rows is not None:
        return Training("full", "stale: the champion learnt from a world that is gone")
    if report.inputs_came_or_went:
        return Training("full", f"another schema: {', '.join(report.inputs_came_or_went[:3])} came or went")
    lost = (report.accuracy_reference or 0.0) - (report.accuracy_recent or 0.0)
    if report.accuracy_reference is not None and report.accuracy_recent is not None and lost >= ABRUPT:
        return Training("full", f"abrupt: accuracy lost {lost:.2f}")
    agreed = _concepts(report)
    if len(agreed) >= AGREED:
        return Training("full", f"abrupt: {' and '.join(agreed)} agree")
    return Training("incremental", "mild and recent: increments keep up with it")


def _concepts(report: DriftReport) -> Sequence[str]:
    return [each.detector for each in report.findings if each.kind == "concept" and each.is_drift]
