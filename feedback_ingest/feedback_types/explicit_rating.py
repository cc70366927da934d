"""A rating: a score on a stated scale, of the whole answer or of one aspect of it."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from msgspec import UNSET, UnsetType

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import (
    Comment,
    FeedbackValue,
    Number,
    OlderVersion,
    Slug,
    Widget,
    reward_of_scale,
)


class RatingOfTheWhole(FeedbackValue):
    """Version 1.0: a score of the answer as a whole."""

    version = "1.0"

    score: Number
    scale_min: Number = 1.0
    scale_max: Number = 5.0
    comment: Comment | UnsetType = UNSET

    def faults(self) -> tuple[Fault, ...]:
        if self.scale_min >= self.scale_max:
            return (Fault("/scale_max", "must-exceed-scale-min"),)
        return () if self.scale_min <= self.score <= self.scale_max else (Fault("/score", "out-of-range"),)

    def reward(self) -> float | None:
        return reward_of_scale(self.score, self.scale_min, self.scale_max)


class ExplicitRating(RatingOfTheWhole):
    """A score between `scale_min` and `scale_max`; reads as a reward, the score moved to 0..1.

    `aspect` says what of the answer is rated (`tone`, `accuracy`, ...); version 1.0 has none and rates it `overall`.
    """

    feedback_type = "explicit_rating"
    version = "1.1"
    older: ClassVar[dict[str, OlderVersion]] = {
        "1.0": OlderVersion(RatingOfTheWhole, datetime(2026, 9, 1, tzinfo=UTC), datetime(2027, 9, 1, tzinfo=UTC))
    }
    metric = "satisfaction"
    widget: ClassVar[Widget] = {"kind": "stars", "field": "score", "min": 1, "max": 5}
    examples = (
        {"score": 4},
        {"score": 0.5, "scale_min": 0, "scale_max": 1, "comment": "close"},
        {"score": 2, "aspect": "tone"},
    )
    counter_examples = (
        {},
        {"score": 6},
        {"score": "5"},
        {"score": 1, "scale_min": 1, "scale_max": 1},
        {"score": 1, "aspect": "The Tone"},
    )

    aspect: Slug = "overall"

    @staticmethod
    def upcast_v1_0_v1_1(value: dict[str, Any]) -> dict[str, Any]:
        """A rating that names no aspect is one of the whole answer."""
        return {"aspect": "overall", **value}
