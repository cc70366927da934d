"""The book of review policies: every definition a project ever gave or took back, kept with the fact that says so."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from feedback_ingest.decisions import Decider
from feedback_ingest.errors import NotFound
from feedback_ingest.receive import refuse
from feedback_loop.learning.review_policies import (
    STANDARD,
    PlacedPolicy,
    PolicyDefinition,
    ReviewPolicy,
    policies_of,
    read_policy,
)
from feedback_loop.stream.definitions import Said, Shelf
from feedback_loop.stream.flagging.tables import ReviewPolicyDefinition

POLICIES = Shelf("review_policy", "policy", ReviewPolicyDefinition, read_policy)


def book(said: Iterable[Said[ReviewPolicy]]) -> dict[int, list[PlacedPolicy]]:
    """The policies of every project that has any of its own."""
    return policies_of(
        PolicyDefinition(each.project_id, each.name, each.log_offset, each.version, each.definition) for each in said
    )


@dataclass(frozen=True, slots=True)
class ProjectReviewPolicies:
    """The review policies of one project, to be read and changed; the caller commits, soon."""

    session: Session
    project_id: int

    def every(self) -> list[PlacedPolicy]:
        """Those in force, by id; version 0 is the default."""
        said = book(POLICIES.of_project(self.session, self.project_id))
        placed = [each for each in said.get(self.project_id, STANDARD) if each.upto is None]
        return sorted(placed, key=lambda each: each.policy.policy_id)

    def define(self, policy: ReviewPolicy, decider: Decider, now: datetime) -> bool:
        """Defines a policy, or changes it; True where it was not there. Raises ValidationFailed."""
        refuse(policy.faults())
        POLICIES.lock(self.session, self.project_id)
        known = {each.policy.policy_id: each for each in self.every()}.get(policy.policy_id)
        if known is None or known.policy != policy:
            self._say(policy.policy_id, policy.as_data(), decider, now)
        return known is None

    def remove(self, policy_id: str, decider: Decider, now: datetime) -> None:
        """Takes a policy back, the default one too; raises NotFound."""
        POLICIES.lock(self.session, self.project_id)
        if all(each.policy.policy_id != policy_id for each in self.every()):
            raise NotFound()
        self._say(policy_id, None, decider, now)

    def _say(self, policy_id: str, definition: dict[str, Any] | None, decider: Decider, now: datetime) -> None:
        POLICIES.say(self.session, self.project_id, policy_id, definition, decider, now)
