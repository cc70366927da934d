"""Shadows, carried out: what they answered is held against what turned out right, and they are promoted or let go."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from sqlmodel import Session, select

from feedback_assets.presentation import bar_plot, markdown_table
from feedback_assets.resources import LogResource
from feedback_ingest import log as event_log
from feedback_ingest.clock import utc_now
from feedback_ingest.tables import Project
from feedback_loop.learning.increments import root_of, rooted
from feedback_loop.learning.rows import answered_by
from feedback_loop.learning.shadowing import MOST, Compared, Pair, Seen, compare, judge, share
from feedback_loop.registry.champions import champion, promote, registered_of
from feedback_loop.registry.shadows import Shadow, end, shadows
from feedback_loop.registry.shelf import follow_alias
from feedback_loop.registry.tables import Champion

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


def report(log: LogResource, labeled: "ibis.Table") -> "pa.Table":
    """One row a shadow: how it did beside the champion, and what becomes of it, which is carried out."""
    import pyarrow as pa

    rows = []
    with log.session() as session:
        projects = [each for each in session.exec(select(Project.project_id)) if each is not None]
        beside = [(each, shadow) for each in projects for shadow in shadows(session, each).values()]
        for project_id, shadow in beside:
            serving = champion(session, project_id, shadow.version.model_name)
            if serving is not None:
                found = compare(pairs_of(session, labeled, shadow, serving))
                seen = _judged(shadow, serving, found)
                rows.append(_row(shadow, serving, found, seen))
                _carry_out(session, log, shadow, serving, seen)
    table = pa.Table.from_pylist(rows, _schema())
    for row in promoted(table):
        follow_alias(log.database, row["project_id"], row["model_name"], row["shadow_version"])
    return table


def promoted(found: "pa.Table") -> list[dict[str, Any]]:
    """The rows of a report whose shadow serves from now on."""
    return [row for row in found.to_pylist() if row["outcome"] == "promote"]


def pairs_of(session: Session, labeled: "ibis.Table", shadow: Shadow, serving: Champion) -> list[Pair]:
    """The newest labelled answers that the champion, or an increment of it, gave and the shadow gave beside it."""
    version, labeled = shadow.version, rooted(labeled)
    mine = labeled.filter(
        labeled.project_id == version.project_id,
        labeled.model_name == version.model_name,
        labeled.model_version == root_of(serving.model_version),
        labeled.inference_offset > shadow.since_offset,
        labeled.label.notnull(),
    )
    newest = mine.order_by(mine.feedback_offset.desc()).limit(MOST)
    rows = newest.select("inference_offset", "label", "answer_label").to_pyarrow().to_pylist()
    inferences = event_log.at(session, [row["inference_offset"] for row in rows])
    answers = [answered_by(inferences[row["inference_offset"]].body, version.model_version) for row in rows]
    return [
        Pair(answer == row["label"], row["answer_label"] == row["label"])
        for row, answer in zip(rows, answers, strict=True)
        if answer is not None
    ]


def _judged(shadow: Shadow, serving: Champion, found: Compared) -> Seen:
    """What the answers say, but for one that was promoted by hand, and for a champion that an operator holds."""
    if shadow.version.model_version == serving.model_version:
        return Seen("end", "it serves")
    seen = judge(found)
    return Seen("wait", f"an operator holds the champion; {seen.reason}") if serving.is_held else seen


def _carry_out(session: Session, log: LogResource, shadow: Shadow, serving: Champion, seen: Seen) -> None:
    if seen.outcome == "wait":
        return
    version, now = shadow.version, utc_now()
    end(session, version.project_id, version.model_name, {"reason": seen.reason}, now, log.pepper)
    if seen.outcome == "promote":
        told = {"shadow_offset": shadow.since_offset, "champion_version": serving.model_version}
        promote(session, registered_of(version), f"in the shadow, {seen.reason}", now, log.pepper,
                version.dataset_version, told, instead_of=serving.model_version)  # fmt: skip


def _row(shadow: Shadow, serving: Champion, found: Compared, seen: Seen) -> dict[str, Any]:
    return {
        "project_id": shadow.version.project_id,
        "model_name": shadow.version.model_name,
        "shadow_version": shadow.version.model_version,
        "champion_version": serving.model_version,
        "since_offset": shadow.since_offset,
        **found._asdict(),
        "evidence": found.evidence,
        **seen._asdict(),
    }


def _schema() -> "pa.Schema":
    import pyarrow as pa

    texts = ("model_name", "shadow_version", "champion_version", "outcome", "reason")
    counts = ("since_offset", *Compared._fields)
    names = ("project_id", *texts[:3], *counts, "evidence", *texts[3:])
    kinds = {"evidence": pa.float64()} | dict.fromkeys(texts, pa.string())
    return pa.schema([(name, kinds.get(name, pa.int64())) for name in names])


def shadows_told(rows: "ibis.Table") -> Mapping[str, dg.MetadataValue]:
    """Every shadow beside its champion, as a table and as bars, and what becomes of it."""
    found = rows.to_pyarrow().to_pylist()
    sides = [_side(row, side) for row in found for side in ("champion", "shadow")]
    judged = [{name: row[name] for name in ("shadow_version", "outcome", "evidence", "reason")} for row in found]
    told: dict[str, dg.MetadataValue] = {
        "shadows": markdown_table(sides, empty="no version answers in the shadow"),
        "judged": markdown_table(judged, empty="none"),
    }
    bars = {side["version"]: {"right": side["share"] or 0.0} for side in sides}
    return told | ({"accuracy": bar_plot("right on the same labelled answers", bars)} if bars else {})


def _side(row: Mapping[str, Any], side: str) -> dict[str, Any]:
    """The champion or the shadow of a row of the report, with the 95 % interval of how often it was right."""
    seen = share(row[f"{side}_right"], row["samples"])
    named = {"model": row["model_name"], "side": side, "version": row[f"{side}_version"], "samples": row["samples"]}
    return {**named, **seen._asdict(), "alone right": row[f"{side}_alone"]}
