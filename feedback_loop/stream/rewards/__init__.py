"""Rewards kept live: what inferences are worth, and the feedback that says so."""
