"""Counting for bias: how many inferences of each segment were served, answered and liked, and how sure the model was.

The functions serve the API one model at a time, the expressions serve partitions of millions, and a property test holds
them to one meaning. Segments are the inference's own: whoever is silent names none.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.influence import LIKING, MOST_SAMPLED, sampling_weight
from feedback_loop.learning.metrics._base import is_settled
from feedback_loop.learning.segments import ALL, OTHER, Admitted, split

if TYPE_CHECKING:
    import ibis

WINDOW = 20_000
"""The newest inferences of a model that are looked at."""

NO_ANSWER = ("exposure", "retraction")
"""Feedback that tells what was done and not what somebody thinks."""

BINS = 100
"""Of the model's confidence."""


class Voice(NamedTuple):
    """What end users said of one inference: whether anything, how good it was (0..1, None unknown), and its weight."""

    answered: bool
    outcome: float | None
    weight: float


class Cell(NamedTuple):
    """One value of one segment name; the name ALL stands for all inferences.

    `judged` counts the inferences of which something good or bad is known; `weight`, `good` and `squares` sum their
    weights, their weighted outcomes, and the squares of their weights.
    """

    name: str
    value: str
    served: int
    answered: int
    judged: int
    negatives: int
    weight: float
    good: float
    squares: float


class Tally(NamedTuple):
    """What is counted of one model: its cells, and of how many inferences the model was sure to each percent."""

    cells: tuple[Cell, ...]
    served_by_confidence: tuple[int, ...]
    answered_by_confidence: tuple[int, ...]

    @property
    def whole(self) -> Cell:
        """All of its inferences."""
        return next((cell for cell in self.cells if cell.name == ALL), Cell(ALL, ALL, 0, 0, 0, 0, 0.0, 0.0, 0.0))


def voice_of(feedback: Iterable[Mapping[str, Any]]) -> Voice:
    """What the feedback on one inference (rows of ATTRIBUTED_SCHEMA) says together."""
    heard = [
        row
        for row in feedback
        if is_settled(row) and row["source_kind"] == "end_user" and row["feedback_type"] not in NO_ANSWER
    ]
    if not heard:
        return Voice(False, None, 0.0)
    outcomes = [one for row in heard if (one := _outcome(row)) is not None]
    weights = [sampling_weight(row["pass_probability"]) for row in heard]
    return Voice(True, sum(outcomes) / len(outcomes) if outcomes else None, sum(weights) / len(weights))


def _outcome(row: Mapping[str, Any]) -> float | None:
    """Whether the answer was right, else how well it was liked; other rewards have scales of their own."""
    if row["correct"] is not None:
        return float(row["correct"])
    return row["reward"] if row["feedback_type"] in LIKING else None


def tally(project_id: int, asked: Iterable[tuple[str | None, float | None, Voice]], admitted: Admitted) -> Tally:
    """Counts the inferences of one model, each given by its segments column, its confidence and what was said of it."""
    sums: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * 7)
    served, answered = [0] * (BINS + 1), [0] * (BINS + 1)
    for segments, confidence, voice in asked:
        added = _added(voice)
        for key in admitted.segments_of(project_id, None, segments):
            name, _, value = key.partition("=")
            row = sums[name, value]
            for place, amount in enumerate(added):
                row[place] += amount
        if confidence is not None and 0 <= confidence <= 1:
            served[int(confidence * BINS)] += 1
            answered[int(confidence * BINS)] += voice.answered
    return Tally(tuple(_cell(*key, *sums[key]) for key in sorted(sums)), tuple(served), tuple(answered))


def _added(voice: Voice) -> tuple[float, ...]:
    if voice.outcome is None:
        return (1, voice.answered, 0, 0, 0.0, 0.0, 0.0)
    weight = voice.weight
    return (1, 1, 1, voice.outcome < 0.5, weight, weight * voice.outcome, weight * weight)


def _cell(name: str, value: str, *sums: float) -> Cell:
    return Cell(name, value, *(int(count) for count in sums[:4]), *sums[4:])


def tallied(
    feedback: "ibis.Table", inferences: "ibis.Table", admitted: "ibis.Table", window: int = WINDOW
) -> Mapping[tuple[int, str], Tally]:
    """`tally` of the newest `window` inferences of every model, by project and model name.

    `feedback` is of ATTRIBUTED_SCHEMA, `inferences` of INFERENCE_SCHEMA, `admitted` what `segments.admitted` makes.
    """
    import ibis

    asked = _with_voices(newest(inferences, window), feedback)
    keys = ["project_id", "model_name"]
    whole = asked.mutate(name=ibis.literal(ALL), value=ibis.literal(ALL))
    counted = [_counted(whole, keys), _counted(_by_segment(asked, admitted), keys)]
    cells: defaultdict[tuple[int, str], list[Cell]] = defaultdict(list)
    for row in (row for table in counted for row in table.to_pyarrow().to_pylist()):
        cells[row["project_id"], row["model_name"]].append(Cell(*(row[field] for field in Cell._fields)))
    sure = asked.filter(asked.confidence.between(0, 1))
    sure = sure.mutate(percent=(sure.confidence * BINS).floor().cast("int64"))
    bins = sure.group_by([*keys, "percent"]).agg(served=sure.count(), answered=sure.answered.cast("int64").sum())
    spread = bins.to_pyarrow().to_pylist()
    return {
        model: Tally(tuple(sorted(found)), *(_histogram(spread, model, side) for side in ("served", "answered")))
        for model, found in cells.items()
    }


def newest(inferences: "ibis.Table", window: int) -> "ibis.Table":
    """The newest `window` inferences of every model."""
    import ibis

    by = ibis.row_number().over(group_by=["project_id", "model_name"], order_by=inferences.log_offset.desc())
    placed = inferences.mutate(place=by)
    return placed.filter(placed.place < window).drop("place")


def _with_voices(asked: "ibis.Table", feedback: "ibis.Table") -> "ibis.Table":
    """`voice_of` every inference."""
    import ibis

    heard = feedback.filter(
        feedback.state == "attributed",
        ~feedback.is_undone,
        ~feedback.is_retraction,
        feedback.source_kind == "end_user",
        feedback.feedback_type.notin(NO_ANSWER),
    )
    liked = ibis.ifelse(heard.feedback_type.isin(LIKING), heard.reward, None)
    voices = heard.group_by(["project_id", "inference_request_id"]).agg(
        outcome=ibis.ifelse(heard.correct.notnull(), heard.correct.cast("float64"), liked).mean(),
        said=ibis.least(1.0 / heard.pass_probability, MOST_SAMPLED).mean(),
    )
    joined = asked.left_join(voices, ["project_id", "inference_request_id"], rname="v_{name}")
    return joined.select(
        *("project_id", "model_name", "segments", "confidence", "outcome"),
        answered=joined.said.notnull(),
        said=joined.said.fill_null(0.0),
    )


def _by_segment(asked: "ibis.Table", admitted: "ibis.Table") -> "ibis.Table":
    """Each inference once for every segment that it falls in."""
    import ibis

    named = split(asked).semi_join(admitted.select("project_id", "name").distinct(), ["project_id", "name"])
    known = admitted.select("project_id", "name", "value").mutate(is_known=True)
    joined = named.left_join(known, ["project_id", "name", "value"], rname="k_{name}")
    value = ibis.ifelse(joined.is_known.notnull(), joined.value, OTHER)
    return joined.select(*asked.columns, "name", value=value)


def _counted(asked: "ibis.Table", keys: list[str]) -> "ibis.Table":
    import ibis

    judged = asked.outcome.notnull()
    weight = ibis.ifelse(judged, asked.said, 0.0)
    return asked.group_by([*keys, "name", "value"]).agg(
        served=asked.count(),
        answered=asked.answered.cast("int64").sum(),
        judged=judged.cast("int64").sum(),
        negatives=(asked.outcome < 0.5).fill_null(False).cast("int64").sum(),
        weight=weight.sum(),
        good=(weight * asked.outcome.fill_null(0.0)).sum(),
        squares=(weight * weight).sum(),
    )


def _histogram(rows: Iterable[Mapping[str, Any]], model: tuple[int, str], side: str) -> tuple[int, ...]:
    counts = [0] * (BINS + 1)
    for row in rows:
        if (row["project_id"], row["model_name"]) == model:
            counts[row["percent"]] = row[side]
    return tuple(counts)
