"""What people judged, as tables of the log's facts: every item, every label, and how each reviewer does."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feedback_ingest.canonical import canonical_json
from feedback_ingest.decisions import REVIEWS
from feedback_ingest.log import LogRow
from feedback_loop.learning.agreement import cohen_kappa, krippendorff_alpha

if TYPE_CHECKING:
    import pyarrow as pa

OPENED, SUBMITTED, SKIPPED, ESCALATED, DECIDED = REVIEWS
MEANT = ("label", "corrected_label", "corrected_text", "preferred_output_id")


def tasks(facts: Iterable[LogRow]) -> list[dict[str, Any]]:
    """One row an item (TASKS_SCHEMA), in the order in which they were opened, of the facts of REVIEWS in order."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for fact in facts:
        key = fact.project_id, fact.body["subject"]
        if fact.kind == OPENED:
            found.setdefault(key, _opened(fact))
        elif (row := found.get(key)) is None:
            continue
        elif fact.kind == SUBMITTED:
            row["labels"] += 1
        elif fact.kind == ESCALATED:
            row["state"] = "escalated"
        elif fact.kind == DECIDED:
            outcome = fact.body["outcome"]
            told = {name: outcome.get(name) for name in ("method", "agreement", "verdict")}
            row |= {"state": fact.body["state"], "decided_at": fact.occurred_at, **told}
            row["answer"] = meant(outcome["value"]) if "value" in outcome else None
    return list(found.values())


def labels(facts: Sequence[LogRow]) -> list[dict[str, Any]]:
    """One row a label, skip or escalation (LABELS_SCHEMA): what was said, and whether it agrees with the verdict."""
    items = {(row["project_id"], row["task_id"]): row for row in tasks(facts)}
    gold = {
        (fact.project_id, fact.body["subject"]): fact.body.get("gold_answer") for fact in facts if fact.kind == OPENED
    }
    found = []
    for fact in facts:
        key = fact.project_id, fact.body["subject"]
        if fact.kind not in (SUBMITTED, SKIPPED, ESCALATED) or key not in items:
            continue
        item = items[key]
        answer = meant(fact.body["value"]) if fact.kind == SUBMITTED else None
        right = None if answer is None or gold[key] is None else fact.body["answer"] == gold[key]
        verdict = item["answer"]
        found.append(
            {
                **{name: item[name] for name in ("project_id", "queue_id", "task_id", "inference_request_id")},
                "log_offset": fact.log_offset,
                "reviewer": fact.body["actor"],
                "what": WHAT[fact.kind],
                "answer": answer,
                "is_gold": item["is_gold"],
                "is_right": right,
                "verdict": verdict,
                "agrees": None if answer is None or verdict is None else answer == verdict,
                "at": fact.occurred_at,
            }
        )
    return found


WHAT = {SUBMITTED: "label", SKIPPED: "skip", ESCALATED: "escalation"}


def quality(said: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a queue and reviewer (QUALITY_SCHEMA), of rows of LABELS_SCHEMA.

    `kappa` is Cohen's of the reviewer with the verdicts; `alpha` Krippendorff's of the queue, the same for all in it.
    """
    by_queue: defaultdict[tuple[int, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in said:
        by_queue[row["project_id"], row["queue_id"]].append(row)
    found = []
    for (project_id, queue_id), rows in sorted(by_queue.items()):
        units: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            if row["answer"] is not None and not row["is_gold"]:
                units[row["task_id"]].append(row["answer"])
        alpha = krippendorff_alpha(units.values())
        for reviewer in sorted({row["reviewer"] for row in rows}):
            mine = [row for row in rows if row["reviewer"] == reviewer]
            told = {"project_id": project_id, "queue_id": queue_id, "reviewer": reviewer, "alpha": alpha}
            found.append(told | _of_reviewer(mine))
    return found


def too_many(said: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The items that have more labels than were asked for, or two of one reviewer: there must be none."""
    by_task: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for row in said:
        if row["what"] == "label" and not row["is_gold"]:
            by_task[row["project_id"], row["task_id"]][row["reviewer"]] += 1
    return [
        {"task_id": row["task_id"], "wanted": row["wanted"], "labels": mine.total(), "reviewers": len(mine)}
        for row in items
        if (mine := by_task[row["project_id"], row["task_id"]]).total() > row["wanted"]
        or max(mine.values(), default=0) > 1
        if not row["is_gold"]
    ]


def meant(value: Mapping[str, Any]) -> str:
    """What a submitted value says, as text that is equal where two say the same."""
    told = {name: value[name] for name in MEANT if name in value}
    for name in ("labels", "corrected_labels"):
        if name in value:
            told[name] = sorted(value[name], key=canonical_json)
    return canonical_json({"tie": True} if value.get("tie") else told).decode()


def _opened(fact: LogRow) -> dict[str, Any]:
    body = fact.body
    return {
        "project_id": fact.project_id,
        "task_id": body["subject"],
        "queue_id": body["queue_id"],
        "inference_request_id": body["inference_request_id"],
        "policy_id": body.get("policy_id"),
        "share": body.get("share"),
        "reason": body["reason"],
        "priority": body["priority"],
        "is_gold": "gold_answer" in body,
        "wanted": body["wanted"],
        "labels": 0,
        "state": "open",
        "method": None,
        "agreement": None,
        "answer": None,
        "verdict": None,
        "opened_at": fact.occurred_at,
        "decided_at": None,
    }


def _of_reviewer(mine: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    gold = [row["is_right"] for row in mine if row["is_right"] is not None]
    judged = [row for row in mine if row["agrees"] is not None]
    counts = Counter(row["what"] for row in mine)
    return {
        "labels": counts["label"],
        "skips": counts["skip"],
        "escalations": counts["escalation"],
        "gold_asked": len(gold),
        "gold_right": sum(gold),
        "judged": len(judged),
        "agreed": sum(row["agrees"] for row in judged),
        "kappa": cohen_kappa((row["answer"], row["verdict"]) for row in judged),
        "last_at": max(row["at"] for row in mine),
    }


def schemas() -> "tuple[pa.Schema, pa.Schema, pa.Schema]":
    """TASKS_SCHEMA, LABELS_SCHEMA and QUALITY_SCHEMA, as pyarrow schemas."""
    import pyarrow as pa

    from feedback_loop.learning.schemas import TIME

    text, whole, share, flag = pa.string(), pa.int64(), pa.float64(), pa.bool_()
    ours = {"project_id": pa.int32(), "queue_id": text}
    item = {"task_id": text, "inference_request_id": text}
    told = {"policy_id": text, "reason": text, "priority": whole, "is_gold": flag, "wanted": whole, "labels": whole}
    outcome = {"state": text, "method": text, "agreement": share, "share": share, "answer": text, "verdict": text}
    times = {"opened_at": TIME, "decided_at": TIME}
    said = {"log_offset": whole, "reviewer": text, "what": text, "answer": text, "is_gold": flag, "is_right": flag}
    said |= {"verdict": text, "agrees": flag, "at": TIME}
    counted = dict.fromkeys(("labels", "skips", "escalations", "gold_asked", "gold_right", "judged", "agreed"), whole)
    quality_of = {"reviewer": text, **counted, "kappa": share, "alpha": share, "last_at": TIME}
    return (
        pa.schema(list({**ours, **item, **told, **outcome, **times}.items())),
        pa.schema(list({**ours, **item, **said}.items())),
        pa.schema(list({**ours, **quality_of}.items())),
    )
