"""Dataset formats, one a file: what an example looks like to whoever trains on it."""

from feedback_loop.learning.dataset_formats._base import DatasetFormat, Material, collect

__all__ = ["DatasetFormat", "Material", "collect"]
