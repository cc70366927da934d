"""Measurements, always by the same words: `python -m benchmarks NAME --json`; ratios inside one run where possible."""
