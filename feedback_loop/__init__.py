"""The loop behind the door: pure learning decisions, the stream that follows the log, and the registry of models."""
