"""What a rule is: light data about what must hold; ibis and Great Expectations are imported only when it is asked."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.consistency import Ranges
from feedback_loop.learning.policies.validation import ValidationPolicy

if TYPE_CHECKING:
    import ibis
    from great_expectations.expectations import Expectation

Severity = Literal["error", "warning"]

Reference = Mapping[str, Any]
"""Numbers out of the history that a rule over a table compares with; empty where there is nothing to compare with."""


@dataclass(frozen=True)
class Evidence:
    """What a rule may look at: tables in the words of `feedback_loop.learning.schemas`, all up to one offset.

    `feedback` are the rows under judgement (a day), `history` the feedback of every day, these rows included. Both hold
    what the log knows of their inference: `known_inference_offset`, `answered_at`, `answered_by` (the model's name),
    `answered_label`, `answered_text` and `given_outputs`, empty while it is unknown. `inferences` are those of every
    day. `policies` are the projects' own, `ranges` those of the metrics they registered.
    """

    feedback: "ibis.Table"
    history: "ibis.Table"
    inferences: "ibis.Table"
    policies: Mapping[int, ValidationPolicy] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=dict)

    @classmethod
    def gather(
        cls,
        feedback: "ibis.Table",
        history: "ibis.Table",
        inferences: "ibis.Table",
        policies: Mapping[int, ValidationPolicy] | None = None,
        ranges: Ranges | None = None,
    ) -> "Evidence":
        """Joins what is known of the inferences to plain tables (FEEDBACK_SCHEMA, INFERENCE_SCHEMA)."""
        known = inferences.select(
            known_project="project_id",
            known_request="inference_request_id",
            known_inference_offset="log_offset",
            answered_at="occurred_at",
            answered_by="model_name",
            answered_label="answer_label",
            answered_text="answer_text",
            given_outputs="output_ids",
        )
        judged, whole = (_with_known(rows, known) for rows in (feedback, history))
        return cls(judged, whole, inferences, policies or {}, ranges or {})


class Rule(ABC):
    """Something that must hold; its name is the name of the asset check."""

    name: ClassVar[str]
    description: ClassVar[str]
    severity: ClassVar[Severity]
    column: ClassVar[str]
    """What it looks at: a column that `measure` adds."""

    @abstractmethod
    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """`rows` (from `evidence.feedback`) with `self.column` added: empty where the rule does not apply."""

    @abstractmethod
    def expectation(self, reference: Reference) -> "Expectation | None":
        """What Great Expectations is asked of the column; None where there is nothing to compare with yet."""

    def reference(self, evidence: Evidence) -> Reference:
        """What the expectation compares with, out of the history."""
        return {}


class RowRule(Rule):
    """A rule about each row: the measured number must lie between two bounds.

    Rows outside go to quarantine whatever the check says; the check is red when fewer than `mostly` of the rows that
    the rule applies to keep it. A rule whose name is a field of ValidationPolicy is as strict as each project says.
    """

    minimum: ClassVar[float | None] = None
    maximum: ClassVar[float | None] = None
    mostly: ClassVar[float] = 0.97

    def expectation(self, reference: Reference) -> "Expectation":
        """The measured numbers lie between the bounds, mostly."""
        import great_expectations.expectations as gxe

        return gxe.ExpectColumnValuesToBeBetween(
            column=self.column, min_value=self.minimum, max_value=self.maximum, mostly=self.mostly
        )


class TableRule(Rule):
    """A rule about the table as a whole: it can turn a check red, but no single row is to blame."""


@cache
def collect() -> Mapping[str, type[Rule]]:
    """Every rule by name: one file each in this folder, and those of installed packages."""
    return collect_classes("expectations.rules", Rule)  # type: ignore[type-abstract]


def _with_known(feedback: "ibis.Table", known: "ibis.Table") -> "ibis.Table":
    same = [feedback.project_id == known.known_project, feedback.inference_request_id == known.known_request]
    return feedback.left_join(known, same).drop("known_project", "known_request")
