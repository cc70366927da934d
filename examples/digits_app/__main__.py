"""`python -m examples.digits_app`: trains the first model, or runs the app against a feedback API."""

from typing import Any

import numpy as np

from examples.command_line import labelled, main
from examples.digits_app.app import DigitsApp
from examples.digits_app.images import scan, split


def first_rows(seed: int) -> list[dict[str, Any]]:
    """400 images of the old scanner."""
    part = split().first_training
    pixels = scan(part.pixels, np.random.default_rng(seed)).tolist()
    return [labelled({"pixels": row}, label) for row, label in zip(pixels, part.labels, strict=True)]


if __name__ == "__main__":
    main("digits", "images", first_rows, DigitsApp)
