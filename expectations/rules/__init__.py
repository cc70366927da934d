"""Every rule over feedback, one a file; a file added here is found by itself and becomes an asset check."""

from expectations.rules._base import Evidence, Reference, RowRule, Rule, TableRule, collect

__all__ = ["Evidence", "Reference", "RowRule", "Rule", "TableRule", "collect"]
