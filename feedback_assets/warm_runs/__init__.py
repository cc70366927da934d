"""Runs as forks of one warm process: a fresh process imports for seconds, a fork starts in milliseconds."""
