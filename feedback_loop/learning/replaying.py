"""Replaying: which transitions a snapshot keeps for each model, and a snapshot as a memory to learn from again."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from feedback_loop.learning.replay_buffers import Arrivals, Limits, ReplayBuffer, collect
from feedback_loop.learning.replay_buffers.stratified_reservoir import StratifiedReservoir
from feedback_loop.learning.replay_buffers.uniform import Uniform
from feedback_loop.learning.transitions import Returns

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

KEPT = ("project_id", "model_name", "log_offset", "stratum", "priority")
"""The columns of transitions that decide what is kept."""

REHEARSED = "stratified_reservoir"
"""The buffer that is filled with what is kept of all times; the others with the newest."""


class Step(NamedTuple):
    """One transition that was drawn: its row in the snapshot and, over up to n steps, what followed."""

    row: dict[str, Any]
    """COLUMNS of transitions."""
    probability: float
    weight: float
    returned: float
    """The discounted sum of rewards."""
    next_state: str | None
    """JSON text, None where the episode ends within the steps."""
    discount: float
    """What the value of the next state counts; 0 where the episode ends."""


def kept(transitions: Iterable["pa.RecordBatch | pa.Table"], newest: int, rehearsed: int, seed: int) -> "pa.Table":
    """Which of `transitions` (KEPT, by log_offset) a snapshot keeps: the newest of each model, and a reservoir of all.

    Columns: log_offset, `is_newest`, and `stands_for`: how many transitions one of the reservoir speaks for, null where
    it is not in it.
    """
    import pyarrow as pa

    buffers: dict[tuple[int, str], tuple[Uniform, StratifiedReservoir]] = {}
    for part in transitions:
        for key, mine in _by_model(part):
            fresh = Uniform(Limits(newest)), StratifiedReservoir(Limits(rehearsed, seed))
            for buffer in buffers.setdefault(key, fresh):
                buffer.extend(_arrivals(mine))
    schema = pa.schema([("log_offset", pa.int64()), ("is_newest", pa.bool_()), ("stands_for", pa.float64())])
    parts = [_kept_of(*buffers[key]).cast(schema) for key in sorted(buffers)]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _by_model(rows: "pa.RecordBatch | pa.Table") -> "Iterator[tuple[tuple[int, str], pa.RecordBatch | pa.Table]]":
    import pyarrow.compute as pc

    projects, names = rows["project_id"], rows["model_name"]
    for key in sorted(set(zip(projects.to_pylist(), names.to_pylist(), strict=True))):
        yield key, rows.filter(pc.and_(pc.equal(projects, key[0]), pc.equal(names, key[1])))


def _kept_of(ring: Uniform, reservoir: StratifiedReservoir) -> "pa.Table":
    import pyarrow as pa

    offsets = np.union1d(ring.kept(), reservoir.kept())
    stands_for = np.full(len(offsets), np.nan)
    stands_for[np.searchsorted(offsets, reservoir.kept())] = reservoir.speaks_for()
    told = {"log_offset": offsets, "is_newest": np.isin(offsets, ring.kept())}
    return pa.table({**told, "stands_for": pa.array(stands_for, from_pandas=True)})


def _arrivals(rows: "pa.RecordBatch | pa.Table", stands_for: "NDArray[np.float64] | None" = None) -> Arrivals:
    offsets, strata, priorities = (
        rows[name].to_numpy(zero_copy_only=False) for name in ("log_offset", "stratum", "priority")
    )
    return Arrivals(offsets, strata, priorities, np.ones(len(offsets)) if stands_for is None else stands_for)


class Memory:
    """One model's part of a snapshot with a buffer over it; equal snapshots, limits and calls give equal draws.

    `rows` are its rows by log_offset: the columns of transitions with `is_newest` and `stands_for`.
    """

    def __init__(self, rows: "pa.Table", buffer: str, limits: Limits) -> None:
        import pyarrow.compute as pc

        column = "stands_for" if buffer == REHEARSED else "is_newest"
        wanted = pc.field("stands_for").is_valid() if buffer == REHEARSED else pc.field(column)
        self.rows = rows.filter(wanted)
        self.buffer: ReplayBuffer = collect()[buffer](limits)
        self.buffer.extend(_arrivals(self.rows, self.rows[column].to_numpy() if buffer == REHEARSED else None))
        following = pc.fill_null(self.rows["next_offset"], 0).to_numpy()
        self._returns = Returns(self.rows["log_offset"].to_numpy(), following, self.rows["reward"].to_numpy())

    def draw(self, count: int, steps: int = 1, gamma: float = 0.99) -> list[Step]:
        """`count` transitions with what followed within `steps`; raises EmptyBuffer."""
        drawn = self.buffer.draw(count)
        places = self._returns.places(drawn.offsets)
        returned, last, discount = self._returns.of(places, steps, gamma)
        rows = self.rows.take(places).to_pylist()
        following = self.rows["next_state"].take(last).to_pylist()
        columns = (
            drawn.probabilities.tolist(),
            drawn.weights.tolist(),
            returned.tolist(),
            following,
            discount.tolist(),
        )
        return [Step(row, *rest) for row, *rest in zip(rows, *columns, strict=True)]

    def batches(self, count: int, steps: int = 1, gamma: float = 0.99) -> Iterator[list[Step]]:
        """Draws without end; `learnt` tells between two of them what is left to learn."""
        while True:
            yield self.draw(count, steps, gamma)

    def learnt(self, drawn: list[Step], errors: "NDArray[np.float64]") -> None:
        """How far a learner is still off with each of `drawn`; a prioritised buffer gives the worst again."""
        offsets = np.array([step.row["log_offset"] for step in drawn], np.int64)
        self.buffer.update(offsets, np.abs(errors))
