"""Models that go on learning: a long-lived worker follows the training queue and lets increments of champions serve."""
