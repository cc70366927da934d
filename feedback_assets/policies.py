"""What projects have decided, as far as an offset of the log: their policies, and the ranges of their metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlmodel import Session

from feedback_assets import facts
from feedback_ingest import log
from feedback_ingest.decisions import METRIC_REGISTERED, POLICY_SET
from feedback_loop.learning.consistency import Ranges, ranges_of
from feedback_loop.learning.policies import in_force, placed
from feedback_loop.learning.policies.attribution import AttributionPolicy, Waits
from feedback_loop.learning.policies.validation import ValidationPolicy

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
NEWEST_OF = 1_000
"""Receipts of this many last events are looked at for the newest one: several doors write the log."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What rules over feedback depend on beside the rows; by default nobody has decided anything."""

    policies: Mapping[int, ValidationPolicy] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=dict)


def decided(session: Session, upto_offset: int) -> Decided:
    """As the log says up to the offset."""
    registered = facts.read(session, (METRIC_REGISTERED,), upto_offset)
    return Decided(in_force(facts.read(session, (POLICY_SET,), upto_offset), ValidationPolicy), ranges_of(registered))


def waits_upto(session: Session, upto_offset: int) -> Waits:
    """The attribution policies that were set up to the offset."""
    return placed(facts.read(session, (POLICY_SET,), upto_offset), AttributionPolicy)


def newest_receipt(session: Session, upto_offset: int, kinds: Sequence[str] | None = None) -> datetime:
    """The newest receipt among the last events, all or of some kinds, up to the offset; long ago where there are none.

    It is the time as the log tells it: what waits is over by it, whatever a clock says.
    """
    last = log.read(session, max(upto_offset - NEWEST_OF, 0), NEWEST_OF, kinds)
    return max((row.received_at for row in last if row.log_offset <= upto_offset), default=LONG_AGO)
