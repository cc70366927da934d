"""The app itself: scans images, answers with the champion, logs each answer, lets its users speak."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np

from examples.digits_app import images
from examples.digits_app.users import Answer, feedback_on
from examples.serving_app import ServingApp, accuracy, now


@dataclass
class DigitsApp(ServingApp):
    """One scanner, one served model, an outbox, and what is still to be posted."""

    def __post_init__(self) -> None:
        self.split = images.split()
        self.random = np.random.default_rng(self.plan.seed)

    def measure(self) -> dict[str, dict[str, float]]:
        """Accuracy of every version served so far on the images never scanned before, by both scanners."""
        unseen = self.split.unseen
        random = np.random.default_rng(self.plan.seed + 1)
        scans = {
            "before": images.scan(unseen.pixels, random),
            "after": images.scan_with_other_scanner(unseen.pixels, random),
        }
        return {
            version: {name: accuracy(model, _asked(pixels), unseen.labels) for name, pixels in scans.items()}
            for version, model in list(self.models.items())  # a new champion may come while this is measured
        }

    def _answer(self, count: int) -> None:
        """Scans `count` images, answers them at once, and plans what the users will say."""
        if not count:
            return
        part, scan = self.split.before_drift, images.scan
        if self.has_drifted:
            part, scan = self.split.after_drift, images.scan_with_other_scanner
        chosen = self.random.integers(len(part), size=count)
        pixels = scan(part.pixels[chosen], self.random)
        version, started = self.served.version, time.perf_counter()
        answers = self.served.model.predict(_asked(pixels))
        took_ms = (time.perf_counter() - started) * 1000 / count
        bodies = []
        beside = self._beside(pixels)
        for row, which, (label, probabilities), others in zip(pixels, chosen, answers, beside, strict=True):
            body = self._inference(version, row, label, probabilities, took_ms)
            body["outputs"] += others
            answer = Answer(body["inference_request_id"], self.plan.model_name, version, str(label), part.labels[which])
            for post in feedback_on(answer, self.random):
                self._plan(post)
            bodies.append(body)
        self._log(bodies, self.random)

    def _beside(self, pixels: np.ndarray) -> list[list[dict[str, Any]]]:
        """What the shadow answers, where there is one: logged beside the champion's answer, and given to nobody."""
        version, shadow = self.served.shadow_version, self.served.shadow
        if shadow is None:
            return [[] for _ in pixels]
        answers = shadow.predict(_asked(pixels))
        told = {"output_id": "shadow", "model_version": version}
        return [[{**told, "content": {"label": label}}] for label, _ in answers]

    def _inference(
        self, version: str, row: np.ndarray, label: Any, probabilities: dict[Any, float], took_ms: float
    ) -> dict[str, Any]:
        shares = [round(float(share), 6) for share in probabilities.values()]
        output = {"output_id": "A", "content": {"label": label}, "score": max(shares), "probabilities": shares}
        return {
            "inference_request_id": f"scan-{uuid.uuid4()}",
            "model_name": self.plan.model_name,
            "model_version": version,
            "occurred_at": now().isoformat(),
            "inputs": {"pixels": [int(value) for value in row]},
            "outputs": [output],
            "chosen_output_id": "A",
            "latency_ms": round(took_ms, 3),
        }


def _asked(pixels: np.ndarray) -> list[dict[str, Any]]:
    """What a model is asked about each image."""
    return [{"pixels": row} for row in pixels.tolist()]
