"""Keeps several processes running on one data directory: claim, start, watch, restart, stop; no rule of the loop."""
