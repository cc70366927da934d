"""Trigger conditions, one a file: what may be cause enough to train a model anew."""

from feedback_loop.learning.trigger_conditions._base import Met, Moment, TriggerCondition, collect

__all__ = ["Met", "Moment", "TriggerCondition", "collect"]
