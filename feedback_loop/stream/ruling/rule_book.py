"""The rule book: every definition a project ever gave or took back, kept with the fact that says so."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from psycopg import Cursor
from sqlalchemy import text
from sqlmodel import Session, col, func, select

from feedback_ingest.decisions import Decider
from feedback_ingest.errors import NotFound
from feedback_ingest.log import LogRow
from feedback_ingest.receive import refuse
from feedback_ingest.settings import Settings
from feedback_loop.learning.metrics import KINDS, collect
from feedback_loop.learning.rules import Known, Rule, default_rules
from feedback_loop.stream.ruling.tables import RuleDefinition
from feedback_loop.stream.tables import LiveRegistration
from feedback_loop.stream.writing import json_text

logger = logging.getLogger("feedback.stream")

DEFINED, REMOVED = "rule_defined", "rule_removed"
UNITS = frozenset({"accuracy", "satisfaction", "win_rate"})
"""Metrics each of whose samples lies between 0 and 1 by itself, not only all together, as clicks and what was shown."""

DEFAULT_OPTIONS = {"accuracy_floor", "rule_window_s", "rule_min_samples", "rule_cooldown_s"}

NEWEST = """
SELECT DISTINCT ON (project_id, rule_id) project_id, rule_id, version, log_offset, definition::text FROM rules
WHERE log_offset <= %s ORDER BY project_id, rule_id, log_offset DESC
"""
LEARN = "INSERT INTO rules SELECT * FROM json_populate_recordset(NULL::rules, %s) ON CONFLICT DO NOTHING"


class Standard(NamedTuple):
    """A rule as a project has it: `version` counts its definitions, 0 and offset 0 is the default."""

    rule: Rule
    version: int = 0
    log_offset: int = 0


Book = Mapping[int, Sequence[Standard]]
"""The rules in force, by project; a project that is not in it has the defaults."""


def learn(cursor: Cursor[Any], rows: Sequence[LogRow]) -> None:
    """Keeps the definitions that stand in the log; those that are known already change nothing."""
    told = [
        {
            "project_id": row.project_id,
            "rule_id": row.body["subject"],
            "log_offset": row.log_offset,
            "version": row.body["version"],
            "definition": row.body.get("rule"),
            "defined_at": row.received_at,
        }
        for row in rows
        if row.kind in (DEFINED, REMOVED)
    ]
    if told:
        cursor.execute(LEARN, [json_text(told)])


def book(cursor: Cursor[Any], upto_offset: int, defaults: Sequence[Rule]) -> Book:
    """The rules that the log has defined up to an offset, in every project that has any."""
    return _bound(cursor.execute(NEWEST, [upto_offset]).fetchall(), defaults)


@dataclass(frozen=True, slots=True)
class ProjectRules:
    """The rules of one project, to be read and changed; the caller commits, soon."""

    session: Session
    project_id: int
    defaults: Sequence[Rule]

    def every(self) -> list[Standard]:
        """The rules in force, by id."""
        wanted = select(RuleDefinition).where(RuleDefinition.project_id == self.project_id)
        rows = self.session.exec(wanted.order_by(col(RuleDefinition.log_offset))).all()
        newest = {row.rule_id: row for row in rows}.values()
        found = [
            (row.project_id, row.rule_id, row.version, row.log_offset, row.definition and json_text(row.definition))
            for row in newest
        ]
        own = _bound(found, self.defaults).get(self.project_id, [Standard(rule) for rule in self.defaults])
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
        self._lock()
        known = {each.rule.rule_id: each for each in self.every()}.get(rule.rule_id)
        if known is not None and known.log_offset and known.rule == rule:
            return False
        self._write(rule.rule_id, rule.as_data(), decider, now)
        return True

    def remove(self, rule_id: str, decider: Decider, now: datetime) -> None:
        """Takes a rule back, a default one too; raises NotFound."""
        self._lock()
        self.find(rule_id)
        self._write(rule_id, None, decider, now)

    def known(self) -> Known:
        """The metrics that rules of the project may name."""
        wanted = select(LiveRegistration).where(LiveRegistration.project_id == self.project_id)
        kinds = {name: metric.interval for name, metric in collect().items()}
        kinds |= {row.metric: KINDS[row.kind].interval for row in self.session.exec(wanted)}
        shares = frozenset(name for name, interval in kinds.items() if interval == "wilson")
        return Known(frozenset(kinds), shares, UNITS & shares)

    def _write(self, rule_id: str, definition: dict[str, Any] | None, decider: Decider, now: datetime) -> None:
        mine = (RuleDefinition.project_id == self.project_id, RuleDefinition.rule_id == rule_id)
        version = self.session.exec(select(func.count()).where(*mine)).one() + 1
        told = {"version": version} | ({"rule": definition} if definition else {})
        kind = DEFINED if definition else REMOVED
        row = RuleDefinition(
            project_id=self.project_id,
            rule_id=rule_id,
            log_offset=decider.record(self.session, self.project_id, kind, rule_id, now, **told),
            version=version,
            definition=definition,
            defined_at=now,
        )
        self.session.add(row)
        self.session.flush()

    def _lock(self) -> None:
        """One change of a project's rules at a time, until the transaction ends; taken before the lock of the log."""
        key = {"key": f"rules {self.project_id}"}
        self.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)


def defaults_of(settings: Settings) -> list[Rule]:
    """The rules that the settings give to every project."""
    return default_rules(settings.model_dump(include=DEFAULT_OPTIONS))


def _bound(rows: Sequence[tuple[Any, ...]], defaults: Sequence[Rule]) -> dict[int, list[Standard]]:
    found: defaultdict[int, dict[str, Standard | None]] = defaultdict(
        lambda: {rule.rule_id: Standard(rule) for rule in defaults}
    )
    for project_id, rule_id, version, log_offset, definition in rows:
        rule = _read(definition) if definition else None
        found[project_id][rule_id] = Standard(rule, version, log_offset) if rule else None
    return {project: [each for each in rules.values() if each is not None] for project, rules in found.items()}


@lru_cache(maxsize=4_096)
def _read(definition: str) -> Rule | None:
    """The rule; None for one that another version of the program wrote and this one cannot read."""
    try:
        return msgspec.json.decode(definition, type=Rule)
    except msgspec.ValidationError:
        logger.error("a rule of another version of this program is not looked at: %s", definition)
        return None
