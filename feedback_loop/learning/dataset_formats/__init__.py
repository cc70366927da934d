"""Dataset formats, one a file: what an example looks like to whoever trains on it."""

from feedback_loop.learning.dataset_formats._base import PROMPTS, DatasetFormat, Material, collect

__all__ = ["PROMPTS", "DatasetFormat", "Material", "collect"]
