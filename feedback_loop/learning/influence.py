"""Bounded influence: how much one person may weigh in a metric and in a dataset, whatever they send.

Limits are for end users that can be told apart, by user or else by session; reviewers, judges and systems are no
voters, and feedback of nobody in particular is nobody's influence. The functions say it row by row, the expressions say
it of millions, and a property test holds them to one meaning.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.metrics._base import is_settled
from feedback_loop.learning.metrics._weights import MOST_SAMPLED

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import NumericValue, StringValue

FULL_A_DAY, MOST_A_DAY = 5, 20
"""So many votes of one person and UTC day of receipt count in full; up to the second the sum grows by its root."""

SHARE = 0.01
FAIR = 2.0
"""Nobody has more than SHARE of all weight, or where there are few people than FAIR times an equal part of it.

An equal part itself would be no limit to live with: whoever said one thing would hold all others to one.
"""

MOST_ROWS = 50
"""Rows of a dataset that one person may have."""

LIKING = ("explicit_binary", "explicit_rating")

Row = Mapping[str, Any]


def actor_of(row: Row) -> str | None:
    """Whose influence a row is; None for nobody's."""
    if row["source_kind"] != "end_user":
        return None
    if row["user_ref"] is not None:
        return f"u:{row['user_ref']}"
    return None if row["session_id"] is None else f"s:{row['session_id']}"


def actor(table: "ibis.Table") -> "StringValue":
    """`actor_of` every row."""
    import ibis

    named = ibis.coalesce("u:" + table.user_ref, "s:" + table.session_id)
    return ibis.ifelse(table.source_kind == "end_user", named, ibis.null("string"))


def sampling_weight(pass_probability: float) -> float:
    """What a feedback stands for that its client sampled."""
    return min(1.0 / pass_probability, MOST_SAMPLED)


def day_weight(votes: int) -> float:
    """What so many votes of one person on one day weigh together."""
    counted = min(votes, MOST_A_DAY)
    return float(counted) if counted <= FULL_A_DAY else sqrt(FULL_A_DAY * counted)


def share_cap(actors: int, share: float = SHARE) -> float:
    """The share of all weight that one of so many may have."""
    return max(share, FAIR / max(actors, 1))


def level(weights: Iterable[float], others: float, cap: float | None = None) -> float:
    """What one person may weigh so that nobody has more than `cap` of what is left after all are held to it.

    `weights` are the sums of each person, `others` what is nobody's; `cap` is `share_cap` where none is given.
    """
    ordered = sorted(weights)
    cap = share_cap(len(ordered)) if cap is None else cap
    total = others + sum(ordered)
    if not ordered or ordered[-1] <= cap * total:
        return inf
    found, below = inf, others
    for place, weight in enumerate(ordered[:-1]):
        below += weight
        capped = len(ordered) - place - 1
        if cap * capped < 1:
            height = cap * below / (1 - cap * capped)
            if weight <= height < ordered[place + 1]:
                found = min(found, height)
    return found


def weights(rows: Sequence[Row]) -> list[float]:
    """What each of the settled feedback rows (ATTRIBUTED_SCHEMA) of one metric of one model weighs in it.

    Of one person's votes of a type on one inference the last counts; a day's votes and a person's share are bounded.
    """
    voters = [actor_of(row) for row in rows]
    last: dict[tuple[Any, ...], int] = {}
    for row, voter in zip(rows, voters, strict=True):
        key = (voter, row["inference_request_id"], row["feedback_type"])
        last[key] = max(last.get(key, 0), row["log_offset"])
    days: defaultdict[tuple[str, Any], list[int]] = defaultdict(list)
    for row, voter in zip(rows, voters, strict=True):
        is_last = last[voter, row["inference_request_id"], row["feedback_type"]] == row["log_offset"]
        if voter is not None and is_last:
            days[voter, row["received_at"].date()].append(row["log_offset"])
    counted = {
        offset: day_weight(len(offsets)) / min(len(offsets), MOST_A_DAY)
        for offsets in days.values()
        for offset in sorted(offsets)[:MOST_A_DAY]
    }
    found = [
        sampling_weight(row["pass_probability"]) * (1.0 if voter is None else counted.get(row["log_offset"], 0.0))
        for row, voter in zip(rows, voters, strict=True)
    ]
    sums: Counter[str | None] = Counter()
    for voter, weight in zip(voters, found, strict=True):
        sums[voter] += weight  # type: ignore[assignment]
    others = sums.pop(None, 0)
    height = level(sums.values(), others)
    return [
        weight if voter is None or not weight else weight * min(1.0, height / sums[voter])
        for voter, weight in zip(voters, found, strict=True)
    ]


def weighted(feedback: "ibis.Table", by: Sequence[str]) -> "ibis.Table":
    """`feedback` (settled rows of ATTRIBUTED_SCHEMA) with the column `weight`: `weights` within each group of `by`."""
    import ibis

    table = feedback.mutate(voter=actor(feedback))
    same = [*by, "voter", "inference_request_id", "feedback_type"]
    table = table.mutate(last=table.log_offset.max().over(group_by=same))
    is_vote = table.voter.notnull() & (table.last == table.log_offset)
    table = table.mutate(is_vote=is_vote, day=table.received_at.date())
    daily = [*by, "voter", "day", "is_vote"]
    table = table.mutate(
        place=ibis.row_number().over(group_by=daily, order_by="log_offset"), votes=table.count().over(group_by=daily)
    )
    counted = ibis.least(table.votes, MOST_A_DAY)
    together = ibis.ifelse(counted <= FULL_A_DAY, counted.cast("float64"), (FULL_A_DAY * counted).sqrt())
    day = ibis.ifelse(table.is_vote & (table.place < MOST_A_DAY), together / counted, 0.0)
    sampled = ibis.least(1.0 / table.pass_probability, MOST_SAMPLED)
    table = table.mutate(weight=sampled * ibis.ifelse(table.voter.isnull(), 1.0, day))
    capped = _with_level(table, by, table.weight)
    share = ibis.ifelse(capped.mine > capped.height, capped.height / capped.mine, 1.0)
    held = ibis.ifelse(capped.voter.isnull(), capped.weight, capped.weight * share)
    return capped.select(*feedback.columns, weight=held)


def _with_level(table: "ibis.Table", by: Sequence[str], weight: "NumericValue") -> "ibis.Table":
    """`table` (with `voter`) with `mine`, what its voter weighs in its group, and `height`, the group's `level`."""
    import ibis

    sums = table.group_by([*by, "voter"]).agg(mine=weight.cast("float64").sum())
    sums = sums.mutate(is_voter=sums.voter.notnull())
    others = ibis.ifelse(sums.is_voter, 0.0, sums.mine).sum().over(group_by=[*by])
    sums = sums.mutate(others=others, actors=sums.is_voter.cast("int64").sum().over(group_by=[*by]))
    voters = sums.filter(sums.is_voter)
    window = ibis.window(group_by=[*by], order_by=["mine", "voter"], preceding=None, following=0)
    ordered = ibis.window(group_by=[*by], order_by=["mine", "voter"])
    voters = voters.mutate(
        below=voters.others + voters.mine.sum().over(window),
        place=ibis.row_number().over(ordered),
        above=voters.mine.lead().over(ordered),
        cap=ibis.greatest(SHARE, FAIR / voters.actors),
    )
    voters = voters.mutate(capped=voters.actors - 1 - voters.place)
    height = voters.cap * voters.below / (1 - voters.cap * voters.capped)
    voters = voters.mutate(height=ibis.ifelse(voters.cap * voters.capped < 1, height, None))
    is_found = (voters.mine <= voters.height) & (voters.height < voters.above)
    is_free = voters.above.isnull() & (voters.mine <= voters.cap * voters.below)
    heights = voters.group_by([*by]).agg(found=ibis.ifelse(is_found, voters.height, None).min(), is_free=is_free.any())
    told = heights.mutate(height=ibis.ifelse(heights.is_free, inf, heights.found.fill_null(inf))).drop(
        "found", "is_free"
    )
    joined = table.left_join(sums.filter(sums.is_voter).select(*by, "voter", "mine"), [*by, "voter"], rname="m_{name}")
    joined = joined.select(*table.columns, "mine")
    joined = joined.left_join(told, [*by], rname="h_{name}")
    return joined.select(*table.columns, "mine", "height")


class Mean(NamedTuple):
    """The mean reward of thumbs and ratings as they came, and with everybody's influence bounded."""

    votes: int
    raw: float
    bounded: float


def liking(feedback: Iterable[Row]) -> Mean | None:
    """Of the feedback about one model (ATTRIBUTED_SCHEMA); None where nobody said how they liked it."""
    rows = [row for row in feedback if is_settled(row) and row["feedback_type"] in LIKING]
    rows = [row for row in rows if row["reward"] is not None]
    if not rows:
        return None
    found = weights(rows)
    bounded = sum(weight * row["reward"] for weight, row in zip(found, rows, strict=True)) / sum(found)
    return Mean(len(rows), sum(row["reward"] for row in rows) / len(rows), bounded)


def likings(feedback: "ibis.Table") -> Mapping[tuple[int, str], Mean]:
    """`liking` of every model, by project and model name."""
    liked = feedback.filter(feedback.state == "attributed", ~feedback.is_undone, ~feedback.is_retraction)
    liked = liked.filter(liked.feedback_type.isin(LIKING), liked.reward.notnull())
    keys = ["project_id", "model_name"]
    table = weighted(liked, keys)
    means = table.group_by(keys).agg(
        votes=table.count(), raw=table.reward.mean(), bounded=(table.weight * table.reward).sum() / table.weight.sum()
    )
    rows = means.to_pyarrow().to_pylist()
    return {(row["project_id"], row["model_name"]): Mean(row["votes"], row["raw"], row["bounded"]) for row in rows}


def kept(rows: Sequence[Row], most: int) -> list[Row]:
    """The newest `most` of the labelled rows (LABELED_SCHEMA) of one model, in order, nobody with more than their part.

    A person has their newest MOST_ROWS at most before the newest of all are taken, so that nobody crowds others out.
    """
    ordered = sorted(rows, key=lambda row: -row["feedback_offset"])
    newest = _newest_of_each(ordered, MOST_ROWS)[:most]
    counts: Counter[str | None] = Counter(actor_of(row) for row in newest)
    others = counts.pop(None, 0)
    height = level(counts.values(), others)
    return _newest_of_each(newest, height)[::-1]


def _newest_of_each(ordered: Iterable[Row], most: float) -> list[Row]:
    counts: Counter[str] = Counter()
    found = []
    for row in ordered:
        voter = actor_of(row)
        if voter is not None:
            counts[voter] += 1
            if counts[voter] > max(most, 1):
                continue
        found.append(row)
    return found


def kept_rows(labeled: "ibis.Table", most: int) -> "ibis.Table":
    """`kept` of a whole table of one model, in order."""
    import ibis

    table = labeled.mutate(voter=actor(labeled))
    by_voter = ibis.window(group_by="voter", order_by=ibis.desc("feedback_offset"))
    table = table.mutate(place=ibis.row_number().over(by_voter))
    table = table.filter(table.voter.isnull() | (table.place < MOST_ROWS))
    newest = table.order_by(table.feedback_offset.desc()).limit(most).mutate(whole=1)
    capped = _with_level(newest, ["whole"], newest.whole)
    within = capped.voter.isnull() | (capped.place + 1 <= ibis.greatest(capped.height, 1.0))
    return capped.filter(within).select(*labeled.columns).order_by("feedback_offset")
