"""What assets and the compiler make, as somebody would write it by hand for DuckDB: the queries of the folder `sql`."""

from pathlib import Path
from typing import Any


def query(name: str, **values: Any) -> str:
    """A query with its values in place."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text().rstrip().format(**values)
