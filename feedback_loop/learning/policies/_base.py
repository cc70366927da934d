"""What a policy is: what a project decides about one matter, as data in which every field has a default."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from feedback_ingest.decisions import POLICY_SET
from feedback_ingest.errors import Fault
from feedback_ingest.log import LogRow


class Policy(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A kind of policy. A subclass states its fields, each with what holds while a project has decided nothing."""

    name: ClassVar[str] = ""

    def faults(self, metrics: Collection[str]) -> list[Fault]:
        """What is wrong beyond the shape; `metrics` are those the project may name."""
        return []

    def as_data(self) -> dict[str, Any]:
        """The policy as JSON values, whole."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


P = TypeVar("P", bound=Policy)


class Placed(NamedTuple):
    """A policy, and the offset of the fact that put it in force."""

    policy: Any
    log_offset: int


def placed(facts: Iterable[LogRow], kind: type[Policy]) -> dict[int, list[Placed]]:
    """The policies of a kind by project, in the order of the log, out of facts in that order.

    One that another version of the program wrote and this one cannot read changes nothing.
    """
    found: dict[int, list[Placed]] = {}
    for fact in facts:
        if fact.kind != POLICY_SET or fact.body["subject"] != kind.name:
            continue
        try:
            policy = msgspec.convert(fact.body["policy"], kind)
        except msgspec.ValidationError:
            continue
        found.setdefault(fact.project_id, []).append(Placed(policy, fact.log_offset))
    return found


def in_force(facts: Iterable[LogRow], kind: type[P]) -> dict[int, P]:
    """The newest policy of a kind of each project that has decided one."""
    return {project_id: policies[-1].policy for project_id, policies in placed(facts, kind).items()}
