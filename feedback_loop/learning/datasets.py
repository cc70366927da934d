"""Datasets: which label is believed for an inference, which rows a model is trained on, and what names the result."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from feedback_loop.learning.influence import MOST_SAMPLED, actor_of, kept_rows

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue, StringValue

LABEL_SOURCES = ("review_label", "ground_truth", "explicit_label", "explicit_correction")
"""Feedback types whose label is believed, the most trusted first; within one the newest by offset wins."""


MOST_TOLD = 10
"""Contributors that a manifest names."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a training dataset is made of labelled rows; equal recipes over an equal log give equal digests."""

    project_id: int
    model_name: str
    rows: int = 5_000
    """The newest labelled rows, by feedback_offset."""
    golden_share: float = 0.2
    seed: int = 0


def is_golden(inference_request_id: str, golden_share: float) -> bool:
    """Whether an inference belongs to the golden holdout: by its name alone, the same for ever and everywhere."""
    return _golden_digest(inference_request_id) < _golden_limit(golden_share)


def golden(inference_request_id: "StringValue", golden_share: float) -> "BooleanValue":
    """`is_golden` of a column."""
    digest = ("golden:" + inference_request_id).hexdigest("md5")
    return digest.substr(0, 8) < _golden_limit(golden_share)


def labeled_set(enriched: "ibis.Table", golden_share: float) -> "ibis.Table":
    """One row per inference with a believed label (LABELED_SCHEMA), from ENRICHED_SCHEMA.

    Left out: feedback that is pending, mismatched or undone, and lists of labels. To make a dataset again as of an
    offset, cut both tables of the log there (`log_offset <= n`) before attribution: what came later may undo, or say
    better.
    """
    import ibis

    from feedback_loop.learning.schemas import LABELED_SCHEMA

    believed = enriched.filter(
        enriched.state == "attributed",
        ~enriched.is_undone,
        ~enriched.is_retraction,
        enriched.feedback_type.isin(LABEL_SOURCES),
        enriched.label.notnull(),
        ~enriched.label.startswith("["),
    )
    trust = ibis.cases(
        *((believed.feedback_type == source, place) for place, source in enumerate(LABEL_SOURCES)), else_=99
    )
    ranked = believed.mutate(
        place=ibis.row_number().over(
            group_by=["project_id", "inference_request_id"], order_by=[trust, believed.log_offset.desc()]
        )
    )
    best = ranked.filter(ranked.place == 0).mutate(
        feedback_offset=ranked.log_offset,
        source_type=ranked.feedback_type,
        is_golden=golden(ranked.inference_request_id, golden_share),
        weight=ibis.least(1.0 / ranked.pass_probability, MOST_SAMPLED),
    )
    return best.select(*LABELED_SCHEMA.names)


def training_rows(labeled: "ibis.Table", recipe: Recipe) -> "ibis.Table":
    """The rows `recipe` trains on, in the order of feedback_offset: none golden, each with consent and inputs, or a
    reference to inputs.

    Labels count whatever version of the model answered: they speak of the input, not of the model. No end user has
    more of them than `influence` allows.
    """
    wanted = labeled.filter(
        labeled.project_id == recipe.project_id,
        labeled.model_name == recipe.model_name,
        ~labeled.is_golden,
        labeled.training_consent,
        labeled.inputs.notnull() | labeled.inputs_ref.notnull(),
    )
    return kept_rows(wanted, recipe.rows)


def row_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256, in hex, over one line `feedback_offset,inference_offset,label` a row, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row['feedback_offset']},{row['inference_offset']},{row['label']}\n".encode())
    return digest.hexdigest()


def manifest(
    dataset_version: str,
    recipe: Recipe,
    log_offset: int,
    rows: Sequence[Mapping[str, Any]],
    versions: Mapping[str, str],
    files: Sequence[Mapping[str, Any]],
    references: Mapping[str, Any],
    skews: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What a dataset is made of, ready for JSON: with it the dataset can be made again, and checked.

    `rows` are the training rows in order, `log_offset` the last offset they were read at, `versions` those of our code
    and of the libraries by name, `files` one `{path, sha256, bytes}` each, `references` what `references_told` says,
    `skews` what `bias.balancing.told` says.
    """
    offsets = [row["feedback_offset"] for row in rows]
    return {
        "dataset_version": dataset_version,
        "log_offset": log_offset,
        "recipe": asdict(recipe),
        "seed": recipe.seed,
        "rows": len(rows),
        "first_feedback_offset": min(offsets, default=None),
        "last_feedback_offset": max(offsets, default=None),
        "labels": dict(sorted(Counter(row["label"] for row in rows).items())),
        "sources": dict(sorted(Counter(row["source_type"] for row in rows).items())),
        "contributors": _contributors(rows),
        "row_digest": row_digest(rows),
        "skews": [dict(skew) for skew in skews],
        "references": dict(references),
        "versions": dict(sorted(versions.items())),
        "files": [dict(file) for file in files],
    }


def _contributors(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many end users the rows come from that can be told apart, and the rows of those with most."""
    counts = Counter(name for row in rows if (name := actor_of(row)) is not None)
    most = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST_TOLD]
    return {"actors": len(counts), "rows": sum(counts.values()), "most": [{"actor": a, "rows": n} for a, n in most]}


def _golden_digest(inference_request_id: str) -> str:
    named = f"golden:{inference_request_id}".encode()
    return hashlib.md5(named, usedforsecurity=False).hexdigest()[:8]


def _golden_limit(share: float) -> str:
    """The first 8 hex digits at which the holdout ends: text compares like the number, on any engine."""
    return "g" if share >= 1 else f"{int(share * 2**32):08x}"
