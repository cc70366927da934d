"""Sources of context outside the log, one kind a file: each is asked about persons or inferences."""

from feedback_loop.stream.context_sources._base import Answers, ContextSource, Question, SourceAway, collect

__all__ = ["Answers", "ContextSource", "Question", "SourceAway", "collect"]
