"""The mix of labels that people give does not turn over from one day to the next."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, Reference, Severity, TableRule

if TYPE_CHECKING:
    import ibis
    from great_expectations.expectations import Expectation

LABELS_NEEDED = 200


class LabelSharesHold(TableRule):
    """Compares the shares of (model, label) with those of all earlier days, once both sides have enough labels."""

    name: ClassVar[str] = "label_shares_hold"
    description: ClassVar[str] = "The shares of the labels are close to the earlier days' (KL divergence below 0.5)."
    severity: ClassVar[Severity] = "warning"
    column: ClassVar[str] = "labelled_as"
    threshold: ClassVar[float] = 0.5
    unseen_share: ClassVar[float] = 0.01

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `labelled_as`: model and label as one text; empty where no label was given."""
        model = rows.answered_by.coalesce(rows.model_name, "")
        return rows.mutate(labelled_as=model + " " + rows.label)

    def reference(self, evidence: Evidence) -> Reference:
        """`values` and `weights` of the labels of earlier days."""
        labelled = self.measure(evidence.history, evidence).filter(evidence.history.label.notnull())
        earlier = labelled.filter(labelled.received_at < evidence.feedback.received_at.min().as_scalar())
        counts = (
            earlier.group_by("labelled_as").agg(rows=earlier.count()).order_by("labelled_as").to_pyarrow().to_pydict()
        )
        before, now = sum(counts["rows"]), evidence.feedback.label.count().to_pyarrow().as_py()
        if min(before, now) < LABELS_NEEDED:
            return {}
        return {"values": counts["labelled_as"], "weights": [rows / before for rows in counts["rows"]]}

    def expectation(self, reference: Reference) -> "Expectation | None":
        """The divergence from the earlier shares is small; labels never seen before are expected to be rare."""
        import great_expectations.expectations as gxe

        if not reference:
            return None
        return gxe.ExpectColumnKLDivergenceToBeLessThan(
            column=self.column,
            partition_object=dict(reference),
            threshold=self.threshold,
            tail_weight_holdout=self.unseen_share,
            internal_weight_holdout=0,
        )
