"""Readers of references, one scheme a file: how the object behind an `inputs_ref` or `embedding_ref` is fetched."""

from feedback_assets.reference_readers._base import Reader, ReferencesAway, collect

__all__ = ["Reader", "ReferencesAway", "collect"]
