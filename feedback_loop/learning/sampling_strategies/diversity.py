"""Examples that lie far from one another."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta, Struct

from feedback_loop.learning.sampling_strategies._base import WEIGHT, SamplingStrategy, Workbench

if TYPE_CHECKING:
    import ibis
    import numpy as np

MOST = 20_000
"""Candidates that are looked at: each centre costs one look at all of them."""


class Diversity(SamplingStrategy):
    """k-center: the first by chance, then always the one farthest from all chosen, by embedding. Biased: it leans to
    the rare and the odd; an example weighs as many candidates as are nearest to it, so weighted means speak of
    neighbourhoods, not of candidates. Without an embedding there is no place, and the example is left out.
    """

    name: ClassVar[str] = "diversity"
    is_unbiased: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ("embedding",)

    class Options(Struct, frozen=True, forbid_unknown_fields=True):
        """Candidates that are looked at, chosen by chance."""

        candidates: Annotated[int, Meta(ge=1, le=MOST)] = 5_000

    def sampled(self, candidates: "ibis.Table", rows: int, seed: int, bench: Workbench) -> "ibis.Table":
        """At most `rows` of those looked at."""
        import ibis
        import pyarrow as pa

        from feedback_loop.learning.sql_functions import chance

        told = candidates.filter(candidates.embedding.notnull()).mutate(u=chance(candidates.name, seed, "sample"))
        looked_at = told.order_by("u", "example").limit(self.options.candidates).select("example", "embedding")
        found = bench.rows(looked_at)
        chosen, sizes = _centers([row["embedding"] for row in found], rows)
        columns = {
            "example": pa.array([found[place]["example"] for place in chosen], pa.int64()),
            WEIGHT: pa.array(sizes, pa.float64()),
        }
        return candidates.inner_join(ibis.memtable(pa.table(columns)), "example")


def _centers(embeddings: list[list[float]], rows: int) -> tuple[list[int], list[float]]:
    """The places of the centres, and how many are nearest to each; embeddings of another length than the first's are
    nowhere.
    """
    import numpy as np

    same = [place for place, each in enumerate(embeddings) if len(each) == len(embeddings[0])]
    if not same:
        return [], []
    points = np.asarray([embeddings[place] for place in same], dtype=np.float64)
    chosen = [0]
    nearest, distance = np.zeros(len(same), dtype=np.int64), _distances(points, 0)
    while len(chosen) < min(rows, len(same)) and distance.max() > 0:
        farthest = int(distance.argmax())
        closer = _distances(points, farthest)
        nearest[closer < distance] = len(chosen)
        distance = np.minimum(distance, closer)
        chosen.append(farthest)
    sizes = np.bincount(nearest, minlength=len(chosen)).astype(np.float64)
    return [same[place] for place in chosen], sizes.tolist()


def _distances(points: "np.ndarray[Any, Any]", place: int) -> "np.ndarray[Any, Any]":
    import numpy as np

    found: np.ndarray[Any, Any] = np.square(points - points[place]).sum(axis=1)
    return found
