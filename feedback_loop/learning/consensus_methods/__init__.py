"""Consensus methods, one a file: which answer several reviewers together give to an item, or that it stays open."""

from feedback_loop.learning.consensus_methods._base import (
    Consensus,
    ConsensusMethod,
    Record,
    collect,
)

__all__ = ["Consensus", "ConsensusMethod", "Record", "collect"]
