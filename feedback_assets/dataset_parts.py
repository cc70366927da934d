"""Parts of a compilation beside its tables: the dataset appended to, inputs that stand elsewhere, counts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_assets.lake import BATCH_ROWS, engine
from feedback_assets.references import with_read_inputs
from feedback_assets.resources import LogResource
from feedback_assets.workbench import Workbench
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.settings import Settings
from feedback_loop.learning.manifests import MOST_TOLD, Counts
from feedback_loop.learning.membership import KEPT, Members, Sources
from feedback_loop.learning.recipes import Recipe
from feedback_loop.learning.references import references_told
from feedback_loop.registry import dataset_shelf
from feedback_loop.registry.dataset_shelf import INDEX_FILE, MEMBERS_FILE, Dataset

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


class Base(NamedTuple):
    """A dataset that another one appends to, its index and the inferences that are in it."""

    dataset: Dataset
    index: "pa.Table"
    inferences: "ibis.Table"


def base_of(settings: Settings, project_id: int, recipe: Recipe) -> Base | None:
    """The dataset that a recipe appends to; raises DatasetDamaged, or ValidationFailed where it has another format."""
    import ibis

    if recipe.appends_to is None:
        return None
    dataset = dataset_shelf.read(dataset_shelf.root(settings.data_dir, project_id), recipe.appends_to)
    theirs = dataset.manifest["recipe"]
    if (theirs["format"], theirs["model_name"]) != (recipe.format, recipe.model_name):
        told = f"{recipe.appends_to} is {theirs['format']} of {theirs['model_name']}; append to one of the same"
        raise ValidationFailed(told, (Fault("/appends_to", "other-format"),))
    index = dataset.table(INDEX_FILE)
    return Base(dataset, index, ibis.memtable(index.select(["inference_offset"])).distinct())


def base_batches(base: Base | None, bench: Workbench) -> "Iterator[pa.RecordBatch]":
    """The rows of the base in the order of its index, with the columns that `examples` has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if base is None:
        return
    for split in base.dataset.manifest["splits"]:
        rows = base.dataset.rows(split)
        index = base.index.filter(pc.equal(base.index["split"], split))
        for name in index.schema.names:
            if name not in rows.schema.names and name != "row":
                rows = rows.append_column(name, index[name])
        yield from rows.combine_chunks().to_batches(BATCH_ROWS) if isinstance(rows, pa.Table) else []


def exact(*readers: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """The rows in batches of exactly BATCH_ROWS, the last one aside: how the engine cut them must not show."""
    import pyarrow as pa

    for reader in readers:
        held: list[pa.RecordBatch] = []
        for batch in reader:
            held.append(batch)
            while sum(each.num_rows for each in held) >= BATCH_ROWS:
                whole = pa.Table.from_batches(held).combine_chunks()
                yield whole.slice(0, BATCH_ROWS).combine_chunks().to_batches()[0]
                held = whole.slice(BATCH_ROWS).to_batches()
        if sum(each.num_rows for each in held):
            yield pa.Table.from_batches(held).combine_chunks().to_batches()[0]


def joined_members(found: "ibis.Table", base: Base | None) -> "ibis.Table":
    """Every feedback looked at with its outcome, in the order of the log; what is in the base is kept there."""
    if base is not None:
        theirs = engine().read_parquet(str(base.dataset.folder / MEMBERS_FILE))
        theirs = theirs.filter(theirs.outcome == KEPT)
        found = found.anti_join(theirs, "feedback_offset").union(theirs)
    return found.order_by("feedback_offset")


def read_elsewhere(
    log: LogResource, project_id: int, found: Members, sources: Sources, bench: Workbench
) -> "tuple[Members, ibis.Table, Mapping[str, Any]]":
    """Members without those whose inputs could not be read; inference_offset, read_inputs, inputs_sha256 of the others
    that refer to some; and what the manifest says of them.
    """
    import ibis
    import pyarrow as pa

    from feedback_loop.learning.materials import referring

    rows, excluded = with_read_inputs(log, project_id, bench.rows(referring(found, sources)))
    told = references_told(rows, excluded)
    columns = {
        "inference_offset": pa.array([row["inference_offset"] for row in rows], pa.int64()),
        "read_inputs": pa.array([row["inputs"] for row in rows], pa.string()),
        "inputs_sha256": pa.array([row["inputs_sha256"] for row in rows], pa.string()),
    }
    read = ibis.memtable(pa.table(columns))
    if excluded:
        gone = ibis.memtable(pa.table({"gone": pa.array([each.inference_offset for each in excluded], pa.int64())}))
        chosen = bench.hold(found.chosen.anti_join(gone, found.chosen.inference_offset == gone.gone), "readable")
        joined = found.all.left_join(gone, found.all.inference_offset == gone.gone)
        is_gone = joined.gone.notnull() & (joined.outcome == KEPT)
        outcome = ibis.ifelse(is_gone, "inputs-unreadable", joined.outcome)
        found = Members(joined.select("feedback_offset", "inference_offset", outcome=outcome), chosen)
    return found, read, told


def counted(found: Members, sources: Sources, folder: Path, splits: Mapping[str, int], bench: Workbench) -> Counts:
    """What was found, in numbers: of the whole dataset, what it appends to included."""
    files = {name: engine().read_parquet(str(folder / name)) for name in (INDEX_FILE, MEMBERS_FILE)}
    index, members = files[INDEX_FILE], files[MEMBERS_FILE]
    said = sources.feedback.semi_join(index, sources.feedback.log_offset == index.feedback_offset)
    actors = found.chosen.filter(found.chosen.actor.notnull()).group_by("actor").agg(rows=lambda t: t.count())
    most = actors.order_by(actors.rows.desc(), "actor").limit(MOST_TOLD)
    people = bench.rows(actors.agg(actors=actors.count(), rows=actors.rows.sum()))[0]
    ends = bench.rows(index.agg(first=index.feedback_offset.min(), last=index.feedback_offset.max()))[0]
    spoken = bench.rows(said.group_by(["label", "feedback_type"]).agg(rows=said.count()))
    return Counts(
        splits,
        _sums(bench.rows(members.group_by("outcome").agg(rows=members.count())), "outcome"),
        _sums(spoken, "label"),
        _sums(spoken, "feedback_type"),
        {"actors": people["actors"], "rows": int(people["rows"] or 0), "most": bench.rows(most)},
        ends["first"],
        ends["last"],
    )


def _sums(counts: Iterable[Mapping[str, Any]], column: str) -> dict[str, int]:
    """How many rows there are of each value, by `rows` of finer groups; what has none is left out."""
    found: Counter[str] = Counter()
    for each in counts:
        if each[column] is not None:
            found[each[column]] += each["rows"]
    return dict(found)
