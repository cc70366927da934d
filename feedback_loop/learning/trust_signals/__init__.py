"""Signals of trust, one a file: what about an end user is suspicious, why, and what follows."""

from feedback_loop.learning.trust_signals._base import Signal, Suspicion, collect, decision, suspicions

__all__ = ["Signal", "Suspicion", "collect", "decision", "suspicions"]
