"""Manifests: what a dataset says of itself, so that it can be made again, and checked."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from feedback_loop.learning.recipes import Recipe

MOST_TOLD = 10
"""Contributors that a manifest names."""


class Origin(NamedTuple):
    """What rows follow from, beside the recipe: `log_offset` is the last one that was read, `policies` the newest
    decision of each kind by then, `contract` the versions of the feedback types, `code` a digest of our sources,
    `versions` those of the libraries by name, `erasure_epoch` how many people had been forgotten.
    """

    project_id: int
    log_offset: int
    policies: Mapping[str, int]
    contract: Mapping[str, Sequence[str]]
    code: str
    versions: Mapping[str, str]
    erasure_epoch: int


class Counts(NamedTuple):
    """What was found: rows of each split, outcomes of all that was looked at, labels, types, the most of whom."""

    splits: Mapping[str, int]
    outcomes: Mapping[str, int]
    labels: Mapping[str, int]
    sources: Mapping[str, int]
    contributors: Mapping[str, Any]
    first_feedback_offset: int | None
    last_feedback_offset: int | None


class Parts(NamedTuple):
    """What was made: `files` one `{path, sha256, bytes, rows}` each, `references` what `references_told` says,
    `skews` what `bias.balancing.told` says.
    """

    files: Sequence[Mapping[str, Any]]
    references: Mapping[str, Any]
    skews: Sequence[Mapping[str, Any]]


def manifest(
    dataset_version: str, recipe: Recipe, origin: Origin, counts: Counts, row_digest: str, parts: Parts
) -> dict[str, Any]:
    """All of it, ready for JSON; `row_digest` is SHA-256, in hex, over the digests of the rows, each in hex on a line,
    in their order.
    """
    return {
        "dataset_version": dataset_version,
        "project_id": origin.project_id,
        "log_offset": origin.log_offset,
        "recipe": recipe.as_data(),
        "seed": recipe.seed,
        "rows": sum(counts.splits.values()),
        "splits": dict(sorted(counts.splits.items())),
        "first_feedback_offset": counts.first_feedback_offset,
        "last_feedback_offset": counts.last_feedback_offset,
        "outcomes": dict(sorted(counts.outcomes.items())),
        "labels": dict(sorted(counts.labels.items())),
        "sources": dict(sorted(counts.sources.items())),
        "contributors": dict(counts.contributors),
        "row_digest": row_digest,
        "skews": [dict(skew) for skew in parts.skews],
        "references": dict(parts.references),
        "contract": {name: list(versions) for name, versions in sorted(origin.contract.items())},
        "policies": dict(sorted(origin.policies.items())),
        "erasure_epoch": origin.erasure_epoch,
        "code": origin.code,
        "versions": dict(sorted(origin.versions.items())),
        "files": [dict(file) for file in parts.files],
    }
