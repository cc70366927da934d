"""Manifests: what a dataset says of itself, so that it can be made again, and checked."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from feedback_loop.learning.recipes import Recipe

MOST_TOLD = 10
"""Contributors that a manifest names."""


HELD_AGAINST = ("files", "labels", "log_offset", "recipe", "row_digest", "rows", "splits")
"""What the log tells of a dataset, too."""


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
    in their order; `digest` is one over all the rest.
    """
    told = {
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
    return {**told, "digest": digest_of(told)}


def digest_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over all that a manifest says but this, as JSON with sorted names."""
    rest = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def faults_of(manifest: Mapping[str, Any], fact: Mapping[str, Any]) -> list[str]:
    """What is wrong with a manifest, a sentence: by its own digest, or else by the log's fact about the dataset."""
    if manifest.get("digest") != digest_of(manifest):
        return ["manifest.json does not have the digest that it names"]
    told = {**manifest, "files": {file["path"]: file["sha256"] for file in manifest["files"]}}
    others = sorted(name for name in HELD_AGAINST if name in fact and fact[name] != told[name])
    return [f"manifest.json says otherwise than the log of {', '.join(others)}"] if others else []
