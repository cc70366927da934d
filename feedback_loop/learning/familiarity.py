"""Familiarity: how unlike an inference is to what its model was trained on, by a sample of that.

`dataset_compiled` names the inferences of a sample. So the sample is a version of its own that never changes, and
whoever reads the log again finds the same distances.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from feedback_loop.learning.features import flatten_text
from feedback_loop.learning.increments import root_of

if TYPE_CHECKING:
    import ibis
    from numpy.typing import NDArray

SAMPLED = 100
"""Inferences of a training set that stand for all of it."""

NEAREST = 5
"""Of these so many, the nearest ones, say how far away an inference is."""

DIMENSIONS = 251
"""Of a vector that is worked out; a prime, so that no embedding of a model is taken for one."""

WORD = re.compile(r"\w+")

Version = tuple[int, str, str]
"""Project, model name, and the version that was trained: named as the dataset it was trained on."""


class Sample(NamedTuple):
    """The sample of one dataset: which version learnt it, the fact that says so, and a vector of length 1 a row."""

    version: Version
    log_offset: int
    vectors: "NDArray[Any]"


def version_of(inference: Mapping[str, Any]) -> Version:
    """Whose sample an inference (INFERENCE_SCHEMA) is held against; an increment learnt what its root did."""
    return inference["project_id"], inference["model_name"], root_of(inference["model_version"])


def sampled(index: "ibis.Table") -> "ibis.Table":
    """`inference_offset` of the SAMPLED inferences that stand for a dataset, by its index; chosen by a hash."""
    from feedback_loop.learning.sql_functions import chance

    known = index.filter(index.split == "train", index.inference_offset.notnull()).select("inference_offset").distinct()
    placed = known.mutate(u=chance(known.inference_offset.cast("string"), 0, "familiarity"))
    return placed.order_by("u", "inference_offset").limit(SAMPLED).select("inference_offset")


def sample_of(version: Version, log_offset: int, inferences: Sequence[Mapping[str, Any]]) -> Sample | None:
    """The sample that inferences (rows of INFERENCE_SCHEMA) make; None where too few of them say what they are.

    Where embeddings differ in length, the commonest length counts.
    """
    import numpy as np

    vectors = [vector for row in inferences if (vector := vector_of(row)) is not None]
    lengths = sorted(len(vector) for vector in vectors)
    common = max(lengths, key=lengths.count, default=0)
    same = [vector for vector in vectors if len(vector) == common]
    return Sample(version, log_offset, np.stack(same)) if len(same) >= NEAREST else None


def vector_of(inference: Mapping[str, Any]) -> "NDArray[Any] | None":
    """Where an inference stands, as a vector of length 1: its logged embedding, else its hashed inputs, else its text.

    None where none of them is known or says anything.
    """
    import numpy as np

    vector = np.asarray(inference["embedding"] or _hashed(inference), dtype=np.float64)
    length = float(np.sqrt(vector @ vector))
    return vector / length if length > 0 else None


def novelty(inference: Mapping[str, Any], sample: Sample | None) -> float | None:
    """1 less the mean cosine similarity to the NEAREST of the sample, 0 to 1, rounded to 6 places.

    None without a sample that was known before the inference, or where they are not of one kind.
    """
    if sample is None or inference["log_offset"] <= sample.log_offset:
        return None
    vector = vector_of(inference)
    if vector is None or len(vector) != sample.vectors.shape[1]:
        return None
    alike = sorted((sample.vectors @ vector).tolist())[-NEAREST:]
    return round(min(1.0, max(0.0, 1 - sum(alike) / NEAREST)), 6)


def _hashed(inference: Mapping[str, Any]) -> list[float]:
    """Words by themselves, numbers under their names, each added to or taken from one dimension as its hash says.

    A number counts by the logarithm of its size, so that incomes do not outshout ages.
    """
    from math import copysign, log1p

    vector = [0.0] * DIMENSIONS
    told = flatten_text(inference["inputs"]) or {"": inference["answer_text"] or ""}
    for name, value in told.items():
        if isinstance(value, str):
            found = [(word, 1.0) for word in WORD.findall(value.lower())]
        else:
            found = [(f"{name}=", copysign(log1p(abs(value)), value))]
        for feature, weight in found:
            number = crc32(feature.encode())
            vector[number % DIMENSIONS] += weight if number >> 31 else -weight
    return vector
