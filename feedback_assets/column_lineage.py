"""Where each column of an asset comes from, read off the expression that makes it, in the form Dagster's UI shows.

Nobody writes it down, so it cannot be wrong: a column depends on the upstream columns that its value is worked out of.
What only decides which rows there are, in a join or a filter, is not part of a value and is left out.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    import ibis

Column = tuple[str, str]
"""A stored table's name and one of its columns."""


def column_metadata(table: "ibis.Table") -> dict[str, Any]:
    """The columns of `table` with their types, and what each rests on in the tables that the lake holds."""
    columns = [dg.TableColumn(name, str(kind)) for name, kind in table.schema().items()]
    deps = {
        name: [dg.TableColumnDep(dg.AssetKey(asset), column) for asset, column in sorted(found)]
        for name, found in sources(table).items()
    }
    return {
        "dagster/column_schema": dg.TableSchema(columns),
        "dagster/column_lineage": dg.TableColumnLineage({name: found for name, found in deps.items() if found}),
    }


def sources(table: "ibis.Table") -> dict[str, frozenset[Column]]:
    """For each column the stored columns its value is worked out of; none where it comes from no stored table."""
    from feedback_assets.lake import stored_name

    known: dict[tuple[Any, str], frozenset[Column]] = {}
    return {
        name: frozenset(
            (asset, column) for view, column in _traced(table.op(), name, known) if (asset := stored_name(view))
        )
        for name in table.columns
    }


def _traced(relation: Any, name: str, known: dict[tuple[Any, str], frozenset[Column]]) -> frozenset[Column]:
    """The columns of tables at the bottom of the expression; each column of a relation is looked at once."""
    import ibis.expr.operations as ops

    if (relation, name) in known:
        return known[relation, name]
    if isinstance(relation, ops.PhysicalTable):
        found = frozenset({(relation.name, name)})
    elif isinstance(relation, ops.Set):
        found = _traced(relation.left, name, known) | _traced(relation.right, name, known)
    elif isinstance(relation, ops.JoinReference):
        found = _traced(relation.parent, name, known)
    else:
        fields = relation.values[name].find(ops.Field, filter=ops.Value)
        found = frozenset().union(*(_traced(field.rel, field.name, known) for field in fields))
    known[relation, name] = found
    return found
