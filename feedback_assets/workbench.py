"""The workbench of a compilation: tables that DuckDB holds while one dataset is made, and gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from feedback_assets.lake import engine, executed, held

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


class Workbench:
    """`feedback_loop.learning.sampling_strategies.Workbench` on the process's DuckDB."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    def hold(self, table: "ibis.Table", name: str) -> "ibis.Table":
        """The rows of `table`, worked out now; one such table a name."""
        named = f"bench_{name}"
        self._held.add(named)
        return held(table, named)

    def rows(self, table: "ibis.Table") -> list[dict[str, Any]]:
        """The rows of a small table."""
        found: list[dict[str, Any]] = self.reader(table).read_all().to_pylist()
        return found

    def reader(self, table: "ibis.Table") -> "pa.RecordBatchReader":
        """The rows as they are worked out."""
        return executed(table)

    def clear(self) -> None:
        """Lets go of everything held."""
        for name in self._held:
            engine().con.execute(f'DROP TABLE IF EXISTS "{name}"')
        self._held.clear()


@contextmanager
def workbench() -> Iterator[Workbench]:
    """A workbench that is cleared at the end."""
    bench = Workbench()
    try:
        yield bench
    finally:
        bench.clear()
