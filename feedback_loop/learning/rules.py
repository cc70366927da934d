"""Rules over rolling metrics, as data: what one says, what is wrong with it, and what it decides on a window."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from feedback_ingest.envelopes import Visible
from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import Number, Slug
from feedback_loop.learning.metrics import interval_of_share
from feedback_loop.learning.ratios import Ratio

MONTH_S = 31 * 86_400
PAST, PREVIOUS, VERSION = "past", "previous", "version:"

RuleId = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"\A[a-z0-9][a-z0-9_-]*\Z")]
Span = Annotated[int, Meta(ge=1, le=MONTH_S)]
Amount = Annotated[int, Meta(ge=0, le=10**9)]
Comparison = Literal["below", "above", "drop", "rise"]
Action = Literal["alert", "rollback_request", "drift_signal", "open_review_tasks"]
Actions = Annotated[list[Action], Meta(min_length=1, max_length=4)]
Baseline = Annotated[str, Meta(max_length=264, pattern=r"\A(?:past|previous|version:[^\x00-\x1f]{1,256})\Z")]


class Rule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`metric` over the last `window_s` seconds of event time, compared with `threshold`, and what follows.

    `below` and `above` compare with `threshold` itself, `drop` and `rise` with `baseline` less or more `threshold`: the
    model's own `past`, the `previous` champion, or `version:NAME`, over `baseline_period_s` seconds. It decides on at
    least `min_samples` (the sum of denominators) from at least `min_users` people known before the window, waits
    `cooldown_s` of event time between two alerts, and is over once the value is back by `margin`. With `alpha` it is
    told only once a sequential test rejects, so that looking often raises no false alarm.
    """

    rule_id: RuleId
    metric: Slug
    comparison: Comparison
    threshold: Number
    window_s: Span
    model_name: Visible | None = None
    """None: every model, each for itself, as each version and segment is."""
    segment: Annotated[str, Meta(max_length=513)] = ""
    """The segment that is looked at; empty: all together."""
    baseline: Baseline | None = None
    baseline_period_s: Span | None = None
    min_samples: Annotated[int, Meta(ge=1, le=10**9)] = 30
    min_users: Amount = 0
    margin: Annotated[float, Meta(ge=0, le=2**53 - 1)] = 0.0
    cooldown_s: Annotated[int, Meta(ge=0, le=MONTH_S)] = 0
    alpha: Annotated[float, Meta(gt=0, le=0.5)] | None = None
    actions: Annotated[list[Action], Meta(min_length=1, max_length=4)] = msgspec.field(
        default_factory=lambda: ["alert"]
    )

    @property
    def is_low(self) -> bool:
        """Whether it is a low value that is bad."""
        return self.comparison in ("below", "drop")

    @property
    def is_relative(self) -> bool:
        """Whether it compares with a baseline."""
        return self.comparison in ("drop", "rise")

    def covers(self, model_name: str, segment: str) -> bool:
        """Whether it looks at a model and segment."""
        return self.model_name in (None, model_name) and self.segment == segment

    def faults(self, known: "Known") -> list[Fault]:
        """What is wrong beyond the shape."""
        found = [] if self.metric in known.metrics else [Fault("/metric", "not-registered")]
        if self.is_relative:
            found += [Fault(f"/{name}", "required") for name in _BASE if getattr(self, name) is None]
            found += [Fault("/threshold", "out-of-range")] if self.threshold < 0 else []
        else:
            found += [Fault(f"/{name}", "only-with-drop-or-rise") for name in _BASE if getattr(self, name) is not None]
        if self.metric in known.shares and not 0 <= self.threshold <= 1:
            found.append(Fault("/threshold", "out-of-range"))
        if "rollback_request" in self.actions and self.metric not in known.shares:
            found.append(Fault("/actions", "only-for-shares"))
        if len(set(self.actions)) != len(self.actions):
            found.append(Fault("/actions", "must-differ"))
        return found + self._test_faults(known)

    def _test_faults(self, known: "Known") -> list[Fault]:
        if self.alpha is None:
            return []
        found = [Fault("/alpha", "only-with-below-or-above")] if self.is_relative else []
        found += [Fault("/alpha", "only-for-shares")] if self.metric not in known.units else []
        found += [Fault("/threshold", "out-of-range")] if not 0 < self.threshold < 1 else []
        return found

    def as_data(self) -> dict[str, object]:
        """Its definition as JSON values, without what is not set."""
        return {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}


_BASE = ("baseline", "baseline_period_s")


class Known(NamedTuple):
    """The metrics a rule may name; which of them are shares, 0 to 1; and in which each sample by itself lies there."""

    metrics: frozenset[str]
    shares: frozenset[str]
    units: frozenset[str]


class Voices(NamedTuple):
    """Who speaks in a window: people known before it, and what all end users' votes add to the metric.

    Ground truth and what reviewers, judges and systems say is no vote; `votes` is None where the metric has votes only.
    """

    users: int
    votes: Ratio | None = None


class Decision(NamedTuple):
    """What a rule says at `moment` of event time; `verdict` is the kind of `reason`, which says the figures.

    It rests on what was `seen` in the window, and on `base`, what that is compared with (None for a fixed threshold);
    `users` are the people that were counted, where that mattered.
    """

    moment: datetime
    verdict: str
    reason: str
    seen: Ratio
    base: Ratio | None = None
    users: int | None = None

    @property
    def value(self) -> Decimal | None:
        """The metric in the window."""
        return self.seen.value

    @property
    def samples(self) -> int:
        """What it rests on."""
        return self.seen.samples

    @property
    def baseline(self) -> Decimal | None:
        """The metric it is compared with, None for a fixed threshold or where nothing is known."""
        return self.base.value if self.base is not None else None

    @property
    def fires(self) -> bool:
        """Whether an alert is raised now."""
        return self.verdict == "fires"

    @property
    def recovers(self) -> bool:
        """Whether the standing alert is over now."""
        return self.verdict == "recovers"


class Standing(NamedTuple):
    """What is known of a rule on one model version: the time of the last alert, and whether it still stands.

    `evidence` is how much the sequential test holds against chance, where the rule has one.
    """

    is_raised: bool = False
    last_fired: datetime | None = None
    evidence: float = 1.0


def decide(rule: Rule, seen: Ratio, moment: datetime, standing: Standing, base: Ratio | None = None) -> Decision:
    """Whether `rule` fires, or recovers, at `moment`, given its window's and its baseline's sums."""
    value, samples = seen.value, seen.samples
    baseline = base.value if base is not None else None
    if value is None or samples < rule.min_samples:
        return Decision(moment, "too_few_samples", f"{samples} of {rule.min_samples} samples", seen, base)
    if rule.is_relative and (base is None or baseline is None or base.samples < rule.min_samples):
        known = base.samples if base else 0
        why = f"nothing to compare with: {known} of {rule.min_samples} samples of {rule.baseline}"
        return Decision(moment, "no_baseline", why, seen, base)
    limit = _limit(rule, baseline)
    verdict, told = _judged(rule, value, limit, moment, standing)
    said = f"{rule.metric} {value:.3f} over {samples} samples in {rule.window_s} s, {told}"
    return Decision(moment, verdict, said, seen, base)


def is_beyond(rule: Rule, seen: Ratio, base: Ratio | None) -> bool:
    """Whether enough samples lie on the bad side of the limit."""
    if seen.value is None or seen.samples < rule.min_samples or (base is not None and base.value is None):
        return False
    limit = _limit(rule, base.value if base is not None else None)
    return seen.value < limit if rule.is_low else seen.value > limit


def _limit(rule: Rule, baseline: Decimal | None) -> Decimal:
    threshold = _exact(rule.threshold)
    if baseline is None:
        return threshold
    return baseline - threshold if rule.is_low else baseline + threshold


def _judged(rule: Rule, value: Decimal, limit: Decimal, moment: datetime, standing: Standing) -> tuple[str, str]:
    """The verdict and its half of the reason."""
    side = "below" if rule.is_low else "above"
    named = f"{limit.normalize():f}" if not rule.is_relative else f"{limit:.3f} ({rule.baseline})"
    gap = limit - value if rule.is_low else value - limit
    if standing.is_raised:
        is_back = gap <= -_exact(rule.margin)
        return ("recovers", "recovered") if is_back else ("stands", "still low" if rule.is_low else "still high")
    if gap <= 0:
        return "quiet", f"not {side} {named}"
    if standing.last_fired is not None and moment - standing.last_fired < timedelta(seconds=rule.cooldown_s):
        return "cooling_down", f"{side} {named}, but cooling down"
    if rule.alpha is not None and standing.evidence * rule.alpha < 1:
        return "not_certain", f"{side} {named}, but evidence {standing.evidence:.3g} of {1 / rule.alpha:.3g}"
    return "fires", f"{side} {named}"


def is_sure(rule: Rule, seen: Ratio, base: Ratio | None) -> bool:
    """Whether what was measured lies beyond the limit even at the near end of its 95 % interval.

    Wilson's interval for one share; for a difference of two, Newcombe's combination of theirs (Statistics in Medicine
    17, 873-890, 1998, method 10).
    """
    if seen.value is None:
        return False
    if base is None:
        low, high = interval_of_share(*seen)
        return high < rule.threshold if rule.is_low else low > rule.threshold
    return (sure_fall(base, seen) if rule.is_low else sure_fall(seen, base)) > rule.threshold


def sure_fall(before: Ratio, after: Ratio) -> float:
    """By how much a share has fallen at least, by the near end of the difference's interval; below 0: perhaps not."""
    if before.value is None or after.value is None:
        return -1.0
    low, _ = interval_of_share(*before)
    _, high = interval_of_share(*after)
    was, is_ = float(before.value), float(after.value)
    return (was - is_) - ((was - low) ** 2 + (high - is_) ** 2) ** 0.5


def _exact(number: float) -> Decimal:
    return Decimal(str(number))


def default_rules(options: Mapping[str, float]) -> list[Rule]:
    """The rules every project has until it says otherwise: labelled answers must not be wrong too often."""
    return [
        Rule(
            rule_id="accuracy_floor",
            metric="accuracy",
            comparison="below",
            threshold=options["accuracy_floor"],
            window_s=int(options["rule_window_s"]),
            min_samples=int(options["rule_min_samples"]),
            margin=0.02,
            cooldown_s=int(options["rule_cooldown_s"]),
            actions=["alert", "drift_signal"],
        )
    ]
