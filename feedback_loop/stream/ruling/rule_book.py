"""The rule book: every definition a project ever gave or took back, kept with the fact that says so."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlmodel import Session, select

from feedback_ingest.decisions import Decider
from feedback_ingest.errors import NotFound
from feedback_ingest.receive import refuse
from feedback_ingest.settings import Settings
from feedback_loop.learning.metrics import KINDS, collect
from feedback_loop.learning.rules import Known, Rule, default_rules
from feedback_loop.stream.definitions import Said, Shelf
from feedback_loop.stream.ruling.tables import RuleDefinition
from feedback_loop.stream.tables import LiveRegistration

RULES = Shelf("rule", "rule", RuleDefinition, msgspec.json.Decoder(Rule).decode)
UNITS = frozenset({"accuracy", "satisfaction", "win_rate"})
"""Metrics each of whose samples lies between 0 and 1 by itself, not only all together, as clicks and what was shown."""

DEFAULT_OPTIONS = {"accuracy_floor", "rule_window_s", "rule_min_samples", "rule_cooldown_s"}


class Standard(NamedTuple):
    """A rule as a project has it: `version` counts its definitions, 0 and offset 0 is the default."""

    rule: Rule
    version: int = 0
    log_offset: int = 0


Book = Mapping[int, Sequence[Standard]]
"""The rules in force, by project; a project that is not in it has the defaults."""


def book(said: Iterable[Said[Rule]], defaults: Sequence[Rule]) -> Book:
    """The rules in force of every project that said anything of its own, given what was said in order."""
    found: defaultdict[int, dict[str, Standard | None]] = defaultdict(
        lambda: {rule.rule_id: Standard(rule) for rule in defaults}
    )
    for project_id, rule_id, log_offset, version, rule in said:
        found[project_id][rule_id] = Standard(rule, version, log_offset) if rule else None
    return {project: [each for each in rules.values() if each is not None] for project, rules in found.items()}


@dataclass(frozen=True, slots=True)
class ProjectRules:
    """The rules of one project, to be read and changed; the caller commits, soon."""

    session: Session
    project_id: int
    defaults: Sequence[Rule]

    def every(self) -> list[Standard]:
        """The rules in force, by id."""
        said = RULES.of_project(self.session, self.project_id)
        own = book(said, self.defaults).get(self.project_id, [Standard(rule) for rule in self.defaults])
        return sorted(own, key=lambda each: each.rule.rule_id)

    def find(self, rule_id: str) -> Standard:
        """One of them; raises NotFound."""
        found = next((each for each in self.every() if each.rule.rule_id == rule_id), None)
        if found is None:
            raise NotFound(f"there is no rule {rule_id!r}; `feedback rules list` names them")
        return found

    def define(self, rule: Rule, decider: Decider, now: datetime) -> bool:
        """Defines a rule, or changes it; False where it is defined so already.

        Raises ValidationFailed for what does not fit together, with the fields.
        """
        refuse(rule.faults(self.known()))
        RULES.lock(self.session, self.project_id)
        known = {each.rule.rule_id: each for each in self.every()}.get(rule.rule_id)
        if known is not None and known.log_offset and known.rule == rule:
            return False
        self._say(rule.rule_id, rule.as_data(), decider, now)
        return True

    def remove(self, rule_id: str, decider: Decider, now: datetime) -> None:
        """Takes a rule back, a default one too; raises NotFound."""
        RULES.lock(self.session, self.project_id)
        self.find(rule_id)
        self._say(rule_id, None, decider, now)

    def known(self) -> Known:
        """The metrics that rules of the project may name."""
        wanted = select(LiveRegistration).where(LiveRegistration.project_id == self.project_id)
        kinds = {name: metric.interval for name, metric in collect().items()}
        kinds |= {row.metric: KINDS[row.kind].interval for row in self.session.exec(wanted)}
        shares = frozenset(name for name, interval in kinds.items() if interval == "wilson")
        return Known(frozenset(kinds), shares, UNITS & shares)

    def _say(self, rule_id: str, definition: dict[str, Any] | None, decider: Decider, now: datetime) -> None:
        RULES.say(self.session, self.project_id, rule_id, definition, decider, now)


def defaults_of(settings: Settings) -> list[Rule]:
    """The rules that the settings give to every project."""
    return default_rules(settings.model_dump(include=DEFAULT_OPTIONS))
