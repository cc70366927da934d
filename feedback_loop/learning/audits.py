"""Audits: how often a model is wrong, estimated from a random sample that people judged."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from feedback_loop.learning.metrics import interval
from feedback_loop.learning.review_policies import AUDIT, PlacedPolicy

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

VERDICT = "review_label"


def audits(
    book: Mapping[int, Iterable[PlacedPolicy]], labeled: "ibis.Table", inferences: "ibis.Table"
) -> list[dict[str, Any]]:
    """One row for each audit that ever was in force and each model it drew from; rates with Wilson's 95 % interval.

    Who is in the sample follows from the names alone, so an item counts whoever had it opened, and one that is also
    doubtful counts no more than its share. `labeled` is LABELED_SCHEMA, `inferences` INFERENCE_SCHEMA.
    """
    found = []
    for project_id, placed in sorted(book.items()):
        for each in placed:
            if each.policy.reason == AUDIT:
                found += _of(project_id, each, labeled, inferences)
    return found


def _of(project_id: int, placed: PlacedPolicy, labeled: "ibis.Table", inferences: "ibis.Table") -> list[dict[str, Any]]:
    policy = placed.policy
    drawn = inferences.filter(inferences.project_id == project_id, inferences.log_offset > placed.after)
    if placed.upto is not None:
        drawn = drawn.filter(drawn.log_offset <= placed.upto)
    if policy.model_name is not None:
        drawn = drawn.filter(drawn.model_name == policy.model_name)
    digest = (f"{policy.policy_id}:" + drawn.inference_request_id).hexdigest("md5").substr(0, 8)
    drawn = drawn.filter(digest < _limit(policy.share))
    told = ["inference_request_id", "model_name", "segments", "occurred_at", "received_at"]
    rows = [row for row in drawn.select(*told).to_pyarrow().to_pylist() if policy.covers(row)]
    judged = labeled.filter(labeled.project_id == project_id, labeled.source_type == VERDICT, labeled.correct.notnull())
    known = judged.select("inference_request_id", "correct").to_pyarrow().to_pylist()
    right = {row["inference_request_id"]: row["correct"] for row in known}
    found = []
    for model_name in sorted({row["model_name"] for row in rows}):
        names = [row["inference_request_id"] for row in rows if row["model_name"] == model_name]
        verdicts = [right[name] for name in names if name in right]
        wrong = verdicts.count(False)
        low, high = interval(wrong, len(verdicts))
        place = {"project_id": project_id, "policy_id": policy.policy_id, "version": placed.version}
        rate = {"error_rate": wrong / len(verdicts) if verdicts else None, "low": low, "high": high}
        counts = {"share": policy.share, "sampled": len(names), "judged": len(verdicts), "wrong": wrong}
        found.append({**place, "model_name": model_name, **counts, **rate})
    return found


def _limit(share: float) -> str:
    """The first 8 hex digits that lie beyond the share: text compares like the number."""
    first = ceil(share * 2**32)
    return f"{first:08x}" if first < 2**32 else "g"


def schema() -> "pa.Schema":
    """AUDITS_SCHEMA, as a pyarrow schema."""
    import pyarrow as pa

    text, whole, share = pa.string(), pa.int64(), pa.float64()
    columns = {"project_id": pa.int32(), "policy_id": text, "version": whole, "model_name": text, "share": share}
    counts = {"sampled": whole, "judged": whole, "wrong": whole}
    return pa.schema(list({**columns, **counts, "error_rate": share, "low": share, "high": share}.items()))
