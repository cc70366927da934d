"""Asset checks: rules over validated feedback, freshness of the export, and the live numbers against the log."""
