"""How an asset's rows get into Parquet and out again; an asset says what it holds, never where it is stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from feedback_assets.column_lineage import column_metadata
from feedback_assets.lake import Lake, Rows, Told, is_expression
from feedback_ingest.settings import get_settings

if TYPE_CHECKING:
    import ibis


@dataclass(frozen=True)
class Described:
    """Rows to store and what the UI is to show of them: `describe` reads the stored rows and returns metadata.

    `note` is kept in the file, for whoever must know later what the rows rest on (the log offset, say); a function is
    asked for it once all rows were taken.
    """

    rows: Rows
    describe: Callable[["ibis.Table"], Mapping[str, Any]]
    note: Told = ""


class ParquetIOManager(dg.ConfigurableIOManager):
    """Stores pyarrow and ibis tables and record batch readers as Parquet by day; loads them as ibis tables on DuckDB.

    An asset without partitions loads all days of one that has them. `data_dir` is for tests; default: the settings'.
    """

    data_dir: str | None = None

    @property
    def lake(self) -> Lake:
        """The files."""
        return Lake(Path(self.data_dir) / "lake" if self.data_dir else get_settings().lake_dir)

    def handle_output(self, context: dg.OutputContext, obj: Rows | Described) -> None:
        """Stores the rows, all or nothing, and adds their number, their place and what they say of themselves."""
        name = context.asset_key.path[-1]
        rows: Rows = obj.rows if isinstance(obj, Described) else obj
        note: Told = obj.note if isinstance(obj, Described) else ""
        keys = list(context.asset_partition_keys) if context.has_asset_partitions else None
        if keys is None:
            count, place = self.lake.write(rows, name, note=note), self.lake.path(name)
        else:
            count, place = self.lake.write_days(rows, name, keys, note=note), self.lake.path(name, keys[0])
        context.add_output_metadata({"dagster/row_count": count, "path": dg.MetadataValue.path(str(place.resolve()))})
        if is_expression(rows):
            context.add_output_metadata(column_metadata(rows))
        if isinstance(obj, Described):
            context.add_output_metadata(dict(obj.describe(self.lake.read(name, keys))))

    def load_input(self, context: dg.InputContext) -> "ibis.Table":
        """The upstream asset's rows, read when asked for; raises NothingMaterialized."""
        keys = list(context.asset_partition_keys) if context.has_asset_partitions else None
        return self.lake.read(context.asset_key.path[-1], keys)
