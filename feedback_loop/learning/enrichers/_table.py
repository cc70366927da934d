"""Enrichment of one inference with all enrichers, and of a whole table of attributed feedback."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_loop.learning.enrichers._base import collect

if TYPE_CHECKING:
    import ibis


def enrich(inference: Mapping[str, Any]) -> dict[str, Any]:
    """What every enricher adds to one inference row, in one dict."""
    added: dict[str, Any] = {}
    for enricher in collect().values():
        added |= enricher().enrich(inference)
    return added


def enriched(attributed: "ibis.Table", inferences: "ibis.Table") -> "ibis.Table":
    """`attributed` with what is known of its inference: the enrichers' columns, answer_text, inputs, inputs_ref.

    ENRICHED_SCHEMA (an enricher of an installed package adds its columns); null where the feedback is pending.
    """
    known = inferences
    added: list[str] = []
    for enricher in collect().values():
        known = enricher().expression(known)
        added += enricher.columns
    added += ["answer_text", "inputs", "inputs_ref"]
    wide = known.select(*added, e_project=known.project_id, e_request=known.inference_request_id)
    same = [attributed.project_id == wide.e_project, attributed.inference_request_id == wide.e_request]
    return attributed.left_join(wide, same).select(*attributed.columns, *added)
