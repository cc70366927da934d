"""The images: scikit-learn's 1,797 handwritten digits in four disjoint parts, and the two scanners that read them."""

from dataclasses import dataclass

import numpy as np

FIRST_TRAINING, UNSEEN, BEFORE_DRIFT = 400, 300, 330
SENSOR_NOISE = 0.6


@dataclass(frozen=True)
class Images:
    """Pixels (n × 64, 0 = paper to 16 = ink) and what they show ("0" to "9")."""

    pixels: np.ndarray
    labels: list[str]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Split:
    """No image is in two parts: what is measured at the end was never scanned, labelled or trained on before."""

    first_training: Images
    before_drift: Images
    after_drift: Images
    unseen: Images


def split() -> Split:
    """The same four parts each time: 400 train the first model, 330 and 767 are traffic, 300 are kept unseen."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    parts = np.split(order, np.cumsum([FIRST_TRAINING, UNSEEN, BEFORE_DRIFT]))
    first, unseen, before, after = (Images(pixels[part], [str(label) for label in labels[part]]) for part in parts)
    return Split(first, before, after, unseen)


def scan(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The old scanner: the image with a little sensor noise, so that scanning it again gives other pixels."""
    return np.clip(np.round(pixels + random.normal(0.0, SENSOR_NOISE, pixels.shape)), 0, 16)


def scan_with_other_scanner(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The new scanner: half the contrast on a lifted black level (0–16 becomes 8–16). People read it as before."""
    return np.clip(np.round(scan(pixels, random) * 0.5 + 8), 0, 16)
