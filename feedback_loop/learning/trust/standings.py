"""Standings: what was decided of an end user, each decision a fact with its reason; the last one counts, and a person's
outweighs the stream's.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_ingest.log import LogRow

if TYPE_CHECKING:
    import ibis

SUSPENDED, HELD, WEIGHED, RESTORED = "actor_suspended", "actor_held", "actor_weighed", "actor_restored"
KINDS = (SUSPENDED, HELD, WEIGHED, RESTORED)
SILENT = (SUSPENDED, HELD)
"""Whose feedback is in no training queue and no dataset, and counts in no metric from the decision on."""

BY_ITSELF = "stream"
"""Who decided, where no person did."""


class Verdict(NamedTuple):
    """One decision about one end user (`subject`, a pseudonym): what their labels weigh from 0 to 1, and why."""

    project_id: int
    subject: str
    log_offset: int
    kind: str
    weight: float
    signal: str | None
    reason: str
    decided_by: str

    @property
    def is_silent(self) -> bool:
        """Whether the user is not listened to."""
        return self.kind in SILENT


def verdict_of(row: LogRow) -> Verdict:
    """The decision that a fact of one of KINDS tells."""
    body = row.body
    weight = {SUSPENDED: 0.0, HELD: 0.0, RESTORED: 1.0}.get(row.kind, body.get("weight", 1.0))
    told = (weight, body.get("signal"), body["reason"], body["actor"])
    return Verdict(row.project_id, body["subject"], row.log_offset, row.kind, *told)


def body_of(subject: str, signal: str, reason: str, **more: Any) -> dict[str, Any]:
    """What such a fact says where no person decided."""
    return {"actor": BY_ITSELF, "subject": subject, "signal": signal, "reason": reason, **more}


def may_decide(kind: str, last: Verdict | None) -> bool:
    """Whether a decision of `kind` that no person makes changes anything, and no person has said otherwise."""
    if last is None:
        return True
    return last.decided_by == BY_ITSELF and KINDS.index(kind) < KINDS.index(last.kind)


def last_of(verdicts: Iterable[Verdict]) -> dict[tuple[int, str], Verdict]:
    """The last decision about each end user, by project and pseudonym."""
    return {(each.project_id, each.subject): each for each in sorted(verdicts, key=lambda one: one.log_offset)}


def weighed(table: "ibis.Table", verdicts: Iterable[Verdict]) -> "ibis.Table":
    """The rows (project_id, source_kind, user_ref and more) with `trust`: what the word of their user weighs."""
    import ibis

    last = last_of(verdicts).values()
    if not last:
        return table.mutate(trust=ibis.literal(1.0))
    known = _memtable([{**each._asdict(), "user_ref": each.subject} for each in last if each.weight < 1])
    joined = table.left_join(known, ["project_id", "user_ref"], rname="v_{name}")
    is_theirs = joined.v_user_ref.notnull() & (joined.source_kind == "end_user")
    return joined.select(*table.columns, trust=ibis.ifelse(is_theirs, joined.trust, 1.0))


def trusted(table: "ibis.Table", verdicts: Iterable[Verdict]) -> "ibis.Table":
    """`weighed`, without the rows that weigh nothing."""
    return weighed(table, verdicts).filter(lambda rows: rows.trust > 0)


def silenced(feedback: "ibis.Table", verdicts: Sequence[Verdict]) -> "ibis.Table":
    """The log_offset of what users sent while they were not listened to."""
    spans = _memtable([{**each, "user_ref": each["subject"]} for each in _spans(verdicts)])
    mine = feedback.filter(feedback.source_kind == "end_user")
    same = [mine.project_id == spans.project_id, mine.user_ref == spans.user_ref]
    during = [mine.log_offset > spans.log_offset, mine.log_offset <= spans.upto]
    return mine.semi_join(spans, [*same, *during]).select("log_offset")


def _spans(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Each silence with the offset up to which it lasts."""
    by_user: dict[tuple[int, str], list[Verdict]] = {}
    for each in sorted(verdicts, key=lambda one: one.log_offset):
        by_user.setdefault((each.project_id, each.subject), []).append(each)
    return [
        {**each._asdict(), "upto": following.log_offset if following else 2**62}
        for told in by_user.values()
        for each, following in zip(told, [*told[1:], None], strict=True)
        if each.is_silent
    ]


def _memtable(rows: Sequence[Mapping[str, Any]]) -> "ibis.Table":
    import ibis
    import pyarrow as pa

    fields = [
        ("project_id", pa.int32()),
        ("user_ref", pa.string()),
        ("log_offset", pa.int64()),
        ("upto", pa.int64()),
        ("trust", pa.float64()),
    ]
    told = [{"trust": row["weight"], **row} for row in rows]
    return ibis.memtable(pa.Table.from_pylist(told, pa.schema(fields)))
