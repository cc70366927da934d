"""A label that people give must be one that the model answers or that the truth has named."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity

if TYPE_CHECKING:
    import ibis

TRUTHS = ("ground_truth", "review_label")
KNOWN = {"known_project": "int32", "known_model": "string", "known_label": "string"}


class LabelIsKnown(RowRule):
    """Counts who else uses the label: the model's answers, ground truth and reviewers. Truth supports itself."""

    name: ClassVar[str] = "label_is_known"
    description: ClassVar[str] = "A label that is given is among those that its model answers or ground truth names."
    severity: ClassVar[Severity] = "error"
    column: ClassVar[str] = "label_support"
    minimum: ClassVar[float | None] = 1
    mostly: ClassVar[float] = 0.95  # people do mistype

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `label_support`: answers and truths of the model with this label; empty without one label or model."""
        known = _answers(evidence.inferences).union(_truths(evidence.history))
        known = known.group_by(["known_project", "known_model", "known_label"]).agg(supporters=known.count())
        asked = rows.mutate(asked_model=rows.answered_by.coalesce(rows.model_name))
        same = [
            asked.project_id == known.known_project,
            asked.asked_model == known.known_model,
            asked.label == known.known_label,
        ]
        joined = asked.left_join(known, same).drop("known_project", "known_model", "known_label")
        applies = joined.label.notnull() & ~joined.label.startswith("[") & joined.asked_model.notnull()
        return joined.mutate(label_support=applies.ifelse(joined.supporters.fill_null(0), None)).drop(
            "asked_model", "supporters"
        )


def _answers(inferences: "ibis.Table") -> "ibis.Table":
    return (
        inferences.filter(inferences.answer_label.notnull())
        .select(known_project="project_id", known_model="model_name", known_label="answer_label")
        .cast(KNOWN)
    )


def _truths(history: "ibis.Table") -> "ibis.Table":
    named = history.filter(history.label.notnull(), history.feedback_type.isin(TRUTHS))
    return named.select(
        known_project=named.project_id,
        known_model=named.answered_by.coalesce(named.model_name),
        known_label=named.label,
    ).cast(KNOWN)
