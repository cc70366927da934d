"""Most feedback must belong to an inference that was logged; a missing one is waited for, so no row is set aside."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, Reference, Severity, TableRule

if TYPE_CHECKING:
    import ibis
    from great_expectations.expectations import Expectation


class InferencesAreKnown(TableRule):
    """Turns red when a client sends feedback but forgets, or fails, to log what its model answered."""

    name: ClassVar[str] = "inferences_are_known"
    description: ClassVar[str] = "At least nine in ten feedback belong to an inference that the log knows."
    severity: ClassVar[Severity] = "warning"
    column: ClassVar[str] = "known_inference_offset"
    mostly: ClassVar[float] = 0.9

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Nothing to add: the evidence has the offset."""
        return rows

    def expectation(self, reference: Reference) -> "Expectation | None":
        """The inference's offset is there, mostly."""
        import great_expectations.expectations as gxe

        return gxe.ExpectColumnValuesToNotBeNull(column=self.column, mostly=self.mostly)
