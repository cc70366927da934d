"""Replay buffers, one a file: bounded memories of what happened, and how a learner is given it again."""

from feedback_loop.learning.replay_buffers._base import Arrivals, Drawn, Limits, ReplayBuffer, collect

__all__ = ["Arrivals", "Drawn", "Limits", "ReplayBuffer", "collect"]
