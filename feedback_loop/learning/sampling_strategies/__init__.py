"""Sampling strategies, one a file: which examples a dataset takes where there are more than it wants."""

from feedback_loop.learning.sampling_strategies._base import SamplingStrategy, Workbench, collect

__all__ = ["SamplingStrategy", "Workbench", "collect"]
