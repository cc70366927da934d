"""Which steps of a run go before others that could go too: steps run one at a time, and the drift report is waited for.

With the report first it is there in half the run's time, and a retraining can start while the rest is made.
"""

from dagster._core.storage.tags import PRIORITY_TAG

TO_DRIFT = {PRIORITY_TAG: "5"}
"""Op tags of every step that the drift report needs."""

LAST = {PRIORITY_TAG: "-5"}
"""Op tags of what waits for others than the run."""
