"""Labels: which is believed for an inference, which are held out for good, and which a model is trained on."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from feedback_loop.learning.influence import MOST_SAMPLED, kept_rows

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue, StringValue

LABEL_SOURCES = ("review_label", "ground_truth", "explicit_label", "explicit_correction")
"""Feedback types whose label is believed, the most trusted first; within one the newest by offset wins."""


GOLDEN = '"golden":true'
"""How a golden verdict says so, as compact JSON text."""


def is_golden(inference_request_id: str, golden_share: float) -> bool:
    """Whether an inference belongs to the golden holdout: by its name alone, the same for ever and everywhere."""
    return _golden_digest(inference_request_id) < _golden_limit(golden_share)


def golden(inference_request_id: "StringValue", golden_share: float) -> "BooleanValue":
    """`is_golden` of a column."""
    digest = ("golden:" + inference_request_id).hexdigest("md5")
    return digest.substr(0, 8) < _golden_limit(golden_share)


def is_golden_verdict(rows: "ibis.Table") -> "BooleanValue":
    """Whether feedback rows are verdicts that people marked as golden: what it is about is never trained on."""
    # In compact JSON text a quote inside a value is escaped, so this is a member and nothing else.
    return (rows.feedback_type == LABEL_SOURCES[0]) & rows.feedback_value.contains(GOLDEN)


def is_held_out(asked: "ibis.Table", inference_offset: Any, feedback: "ibis.Table", golden_share: float) -> Any:
    """Whether models are judged by an inference: by the share of the holdout, or by a reviewer's word in `feedback`.

    `asked` has inference_request_id, and `inference_offset` is a column of it; `feedback` is ATTRIBUTED_SCHEMA.
    """
    marked = feedback.filter(is_golden_verdict(feedback), ~feedback.is_undone, feedback.inference_offset.notnull())
    is_marked = inference_offset.isin(marked.inference_offset).fill_null(False)
    return golden(asked.inference_request_id, golden_share) | is_marked


def labeled_set(enriched: "ibis.Table", golden_share: float) -> "ibis.Table":
    """One row per inference with a believed label (LABELED_SCHEMA), from ENRICHED_SCHEMA and perhaps `trust`.

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
        ),
        was_golden=is_golden_verdict(believed).any().over(group_by=["project_id", "inference_request_id"]),
    )
    heard = ranked.trust if "trust" in ranked.columns else 1.0
    best = ranked.filter(ranked.place == 0).mutate(
        feedback_offset=ranked.log_offset,
        source_type=ranked.feedback_type,
        is_golden=golden(ranked.inference_request_id, golden_share) | ranked.was_golden,
        weight=ibis.least(1.0 / ranked.pass_probability, MOST_SAMPLED) * heard,
    )
    return best.select(*LABELED_SCHEMA.names)


def training_rows(labeled: "ibis.Table", project_id: int, model_name: str, most: int) -> "ibis.Table":
    """The newest `most` rows that a model may be trained on, in the order of feedback_offset: none golden, each with
    consent and inputs, or a reference to inputs.

    Labels count whatever version of the model answered: they speak of the input, not of the model. No end user has
    more of them than `influence` allows.
    """
    wanted = labeled.filter(
        labeled.project_id == project_id,
        labeled.model_name == model_name,
        ~labeled.is_golden,
        labeled.training_consent,
        labeled.inputs.notnull() | labeled.inputs_ref.notnull(),
    )
    return kept_rows(wanted, most)


def row_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256, in hex, over one line `feedback_offset,inference_offset,label` a row, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row['feedback_offset']},{row['inference_offset']},{row['label']}\n".encode())
    return digest.hexdigest()


def _golden_digest(inference_request_id: str) -> str:
    named = f"golden:{inference_request_id}".encode()
    return hashlib.md5(named, usedforsecurity=False).hexdigest()[:8]


def _golden_limit(share: float) -> str:
    """The first 8 hex digits at which the holdout ends: text compares like the number, on any engine."""
    return "g" if share >= 1 else f"{int(share * 2**32):08x}"
