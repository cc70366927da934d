"""Rules over rolling metrics: when an alert is raised, and when it is over."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rule:
    """`metric` of a model must not fall below `floor`, looking back `window_s` seconds of event time.

    It decides on at least `min_samples` (the sum of denominators), waits `cooldown_s` of event time between two
    alerts, and is over only once the value has climbed `margin` above the floor, so that it does not flutter.
    """

    name: str
    metric: str
    floor: float
    window_s: int
    min_samples: int
    cooldown_s: int
    margin: float = 0.02


class Point(NamedTuple):
    """One bucket of a metric, as the metrics table holds it."""

    bucket_start: datetime
    numerator: Decimal
    denominator: Decimal


class Decision(NamedTuple):
    """What a rule says now. `value` is None while there is nothing to divide by; `samples` is what it rests on."""

    fires: bool
    recovers: bool
    reason: str
    value: Decimal | None
    samples: int


def decide(
    rule: Rule,
    points: Iterable[Point | tuple[datetime, Decimal, Decimal]],
    now_event_time: datetime,
    last_fired: datetime | None,
    is_raised: bool = False,
) -> Decision:
    """Whether `rule` fires, or recovers, at `now_event_time`, given the buckets of one metric of one model.

    Buckets that start before the window or after now do not count. `last_fired` is the event time of the last alert,
    `is_raised` whether that alert still stands.
    """
    value, samples = _windowed(rule, points, now_event_time)
    if value is None or samples < rule.min_samples:
        return Decision(False, False, f"{samples} of {rule.min_samples} samples", value, samples)
    said = f"{rule.metric} {value:.3f} over {samples} samples in {rule.window_s} s"
    if is_raised:
        above = value >= Decimal(str(rule.floor)) + Decimal(str(rule.margin))
        return Decision(False, above, f"{said}, {'recovered' if above else 'still low'}", value, samples)
    if value >= Decimal(str(rule.floor)):
        return Decision(False, False, f"{said}, not below {rule.floor}", value, samples)
    if last_fired is not None and now_event_time - last_fired < timedelta(seconds=rule.cooldown_s):
        return Decision(False, False, f"{said}, below {rule.floor}, but cooling down", value, samples)
    return Decision(True, False, f"{said}, below {rule.floor}", value, samples)


def _windowed(
    rule: Rule, points: Iterable[Point | tuple[datetime, Decimal, Decimal]], now: datetime
) -> tuple[Decimal | None, int]:
    start = now - timedelta(seconds=rule.window_s)
    numerator = denominator = ZERO
    for bucket_start, up, down in points:
        if start <= bucket_start <= now:
            numerator += up
            denominator += down
    return (numerator / denominator if denominator else None), int(denominator)
