"""Rules in a YAML file: read, judged with the place of every fault, and applied to a project."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from feedback_ingest.decisions import Decider
from feedback_ingest.envelopes import shape_faults
from feedback_ingest.errors import Fault, SetupError
from feedback_loop.learning.rules import Known, Rule
from feedback_loop.stream.ruling.rule_book import ProjectRules

REMEDIES = {
    "not-registered": "name a metric of GET /v1/metrics",
    "required": "give it",
    "only-with-drop-or-rise": "leave it out, or compare by drop or rise",
    "only-with-below-or-above": "leave it out, or compare by below or above: the test needs a fixed threshold",
    "only-for-shares": "it needs a metric whose every sample lies between 0 and 1, such as accuracy or satisfaction",
    "out-of-range": "give a number the metric can take; drop and rise take the size of the change",
    "must-differ": "name each action once",
    "unknown-field": "leave it out; the fields are those of GET /v1/rules",
    "not-allowed": "take one of the values that the documentation of rules lists",
    "bad-format": "write it as the documentation of rules says",
    "wrong-type": "write it as the documentation of rules says",
}
"""What to do about a fault of a definition, by its code."""


def read_rules(path: Path, known: Known) -> list[Rule]:
    """The rules of a file that holds `rules:` with a list; raises SetupError naming each field and its remedy."""
    import yaml

    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}; check FEEDBACK_RULES_FILE") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" in line {where.line + 1}" if where else ""
        raise SetupError(f"{path} is not YAML{place}; write `rules:` and a list below it") from error
    listed = told.get("rules") if isinstance(told, dict) and set(told) == {"rules"} else None
    if not isinstance(listed, list):
        raise SetupError(f"{path} holds no list under the one name `rules`; write `rules:` and a list below it")
    faults = [(place, fault) for place, one in enumerate(listed) for fault in faults_of(one, known)]
    names = [one["rule_id"] for one in listed if isinstance(one, dict) and "rule_id" in one]
    if faults:
        raise SetupError("; ".join(f"{path} /rules/{place}{_told(fault)}" for place, fault in faults[:20]))
    if len(set(names)) < len(names):
        raise SetupError(f"{path} defines a rule_id twice; give each rule a name of its own")
    return [msgspec.convert(one, Rule) for one in listed]


def faults_of(told: Any, known: Known) -> Sequence[Fault]:
    """What is wrong with one definition, as JSON values; nothing where it may be defined."""
    try:
        return msgspec.convert(told, Rule).faults(known)
    except msgspec.ValidationError:
        return shape_faults(told, Rule) or [Fault("", "wrong-type")]


def apply_rules(rules: ProjectRules, wanted: Sequence[Rule], decider: Decider, now: datetime) -> list[str]:
    """Defines each of `wanted` that is not defined so already; their ids. The caller commits, soon.

    What the file does not name stays as it is: a rule is taken back by `feedback rules remove` or DELETE.
    """
    return [rule.rule_id for rule in wanted if rules.define(rule, decider, now)]


def _told(fault: Fault) -> str:
    remedy = REMEDIES.get(fault.code, "write it as the documentation of rules says")
    return f"{fault.pointer}: {fault.code} ({remedy})"
