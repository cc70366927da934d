"""How long a model's rolling metrics are kept, and how finely; nothing here depends on a clock or the order of arrival.

Time is counted back from a model's newest answer: what is older than some days is kept by the hour, what is older than
many days not at all. So a table of metrics has a bound, and replaying the log ends in the same one: a bucket that is
left was never beyond the bound before, and all that ever fell into it is in it.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

COARSE_S = 3_600
STEP_S = 600
"""The bounds move on in such steps, so that little is to be moved at once."""
Model = tuple[int, str]
"""A project's model, by its name."""
NEVER = datetime.min.replace(tzinfo=UTC)


class Horizon(NamedTuple):
    """From `fine_from` on buckets are as they were made, before it an hour long, and before `kept_from` gone."""

    fine_from: datetime = NEVER
    kept_from: datetime = NEVER

    def place(self, bucket_start: datetime) -> datetime | None:
        """The start of the bucket in which a bucket's sums are kept; None where they are not."""
        if bucket_start < self.kept_from:
            return None
        return bucket_start if bucket_start >= self.fine_from else _floor(bucket_start, COARSE_S)

    def moved(self, newest: datetime, fine_days: int, days: int) -> "Horizon":
        """Where it is once a model has answered at `newest`; it never goes back."""
        return Horizon(
            max(self.fine_from, _floor(newest - timedelta(days=fine_days), STEP_S)),
            max(self.kept_from, _floor(newest - timedelta(days=days), COARSE_S)),
        )


def _floor(moment: datetime, step_s: int) -> datetime:
    second = int(moment.timestamp())
    return datetime.fromtimestamp(second - second % step_s, UTC)
