"""Drift detectors, one a file: how a champion's recent life differs from its reference."""

from feedback_loop.learning.drift_detectors._base import (
    DriftDetector,
    FeatureDrift,
    Finding,
    Thresholds,
    Window,
    collect,
)

__all__ = ["DriftDetector", "FeatureDrift", "Finding", "Thresholds", "Window", "collect"]
