"""Sensors: they watch the log and the runs, ask a pure function what to do, and request runs; they decide nothing."""
