"""Incremental learners, one a file: classifiers that take labels as they come and answer again within a second."""

from feedback_loop.learning.incremental_learners._base import Features, IncrementalLearner, collect

__all__ = ["Features", "IncrementalLearner", "collect"]
