"""How far back the metrics are kept: the bounds of each model, and what is bounded."""
