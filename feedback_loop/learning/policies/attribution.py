"""Attribution: how long feedback is waited for, metric by metric, and what an inference is worth without any."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import Number, Slug
from feedback_loop.learning.policies._base import Placed, Policy

YEARS_S = 400 * 86_400
Wait = Annotated[int, Meta(ge=1, le=YEARS_S)]
Resolution = Literal["last", "first", "mean", "majority", "reviewer_over_user"]


class Terms(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What holds of feedback under one metric; times are those at which things occurred."""

    wait_s: Wait | None = None
    """Feedback that occurs longer than this after its inference is `late` and does not count; None: without end."""
    early_s: Annotated[int, Meta(ge=0, le=YEARS_S)] | None = None
    """Feedback that occurs longer than this before its inference is `mismatched`; None: it is not looked at."""
    default_reward: Number | None = None
    """What an inference is worth of which nothing was said within `wait_s`: it is `defaulted`."""
    resolve: Resolution = "last"
    """How several rewards of one inference become one."""


class AttributionPolicy(Policy, frozen=True):
    """How long feedback is waited for, and what several of them, or none, are worth.

    It counts for inferences that are logged after it, and what is said of those. `metrics` names metrics, a project's
    own or built-in ones; feedback under any other is waited for without end and makes no reward.
    """

    name: ClassVar[str] = "attribution"

    orphan_s: Wait = 86_400
    """Feedback whose inference is unknown for so long is `orphaned`, until the inference is logged after all."""
    metrics: Annotated[dict[Slug, Terms], Meta(max_length=100)] = msgspec.field(default_factory=dict)

    def faults(self, metrics: Collection[str]) -> list[Fault]:
        """Metrics that nobody registered, and defaults for which nobody says when to give them."""
        unknown = [Fault(f"/metrics/{name}", "not-registered") for name in self.metrics if name not in metrics]
        endless = [
            Fault(f"/metrics/{name}/wait_s", "required")
            for name, terms in self.metrics.items()
            if terms.default_reward is not None and terms.wait_s is None
        ]
        return [*unknown, *endless]


Waits = Mapping[int, Sequence[Placed]]
"""The attribution policies of each project that ever set one, in the order of the log."""

DEFAULT = AttributionPolicy()
ENDLESS = Terms()


def policy_at(waits: Waits, project_id: int, log_offset: int) -> AttributionPolicy:
    """The policy that counts for what is logged at an offset: the last one before it."""
    for placed in reversed(waits.get(project_id, ())):
        if placed.log_offset < log_offset:
            policy: AttributionPolicy = placed.policy
            return policy
    return DEFAULT
