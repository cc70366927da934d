"""What projects have decided, as far as an offset of the log: their policies, and the ranges of their metrics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlmodel import Session

from feedback_assets import facts
from feedback_ingest.decisions import POLICY_SET
from feedback_ingest.log import LogRow
from feedback_loop.learning.consistency import Range, Ranges
from feedback_loop.learning.policies import in_force
from feedback_loop.learning.policies.validation import ValidationPolicy


@dataclass(frozen=True, slots=True)
class Decided:
    """What rules over feedback depend on beside the rows; by default nobody has decided anything."""

    policies: Mapping[int, ValidationPolicy] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=dict)


def decided(session: Session, upto_offset: int) -> Decided:
    """As the log says up to the offset."""
    known = facts.read(session, (POLICY_SET, facts.METRIC_REGISTERED), upto_offset)
    return Decided(in_force(known, ValidationPolicy), _ranges(known))


def _ranges(known: Iterable[LogRow]) -> Ranges:
    """Those of the newest registration of each metric; none where it is open on both sides."""
    metrics = {(fact.project_id, fact.body["subject"]): fact.body["metric"] for fact in known if "metric" in fact.body}
    found = {name: Range(metric.get("low"), metric.get("high")) for name, metric in metrics.items()}
    return {name: each for name, each in found.items() if each != (None, None)}
